"""Whether a candidate may become champion, from its metrics beside those of others.

All three are measured on the same transactions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from services.fraud.scoring.evaluation import Metrics


@dataclass(frozen=True)
class Gate:
    """What is asked of a candidate; None asks nothing."""

    max_ap_loss: float = 0.02  # of average precision, to the champion
    min_baseline_gain: float = 0.0  # of average precision, over the logistic regression
    min_auc_roc: float | None = None
    min_average_precision: float | None = None
    min_card_precision: float | None = None

    def faults(
        self,
        candidate: Metrics,
        baseline: Metrics,
        champion: Metrics | None,
        *,
        from_baseline: bool = False,
    ) -> list[str]:
        """Why the candidate may not; empty if it may.

        from_baseline: it began as the logistic regression, on few rows. It has to tell frauds
            apart better than chance does; and unless a gain is asked for it may lose to that one
            what it may lose to a champion, since few rows test it too.
        """
        if candidate.average_precision is None or candidate.auc_roc is None:
            return ["the test transactions hold no fraud, or nothing else: nothing is proven"]
        if from_baseline and self.min_baseline_gain == 0:
            beside = self._near_baseline(candidate, baseline)
        else:
            beside = self._above_baseline(candidate.average_precision, baseline)
        return [
            *beside,
            *(_beside_chance(candidate) if from_baseline else ()),
            *self._beside_champion(candidate.average_precision, champion),
            *self._absolute(candidate),
        ]

    def _near_baseline(self, candidate: Metrics, baseline: Metrics) -> Iterator[str]:
        lost = (baseline.average_precision or 0.0) - (candidate.average_precision or 0.0)
        if lost > self.max_ap_loss:
            yield (
                f"average precision {candidate.average_precision:.3f} is {lost:.3f} below that of"
                f" the logistic regression that it began as, where {self.max_ap_loss:g} is allowed"
                " (--max-ap-loss)"
            )

    def _above_baseline(self, precision: float, baseline: Metrics) -> Iterator[str]:
        least = (baseline.average_precision or 0.0) + self.min_baseline_gain
        if precision <= least:
            yield (
                f"average precision {precision:.3f} is not above {least:.3f}: that of a logistic"
                f" regression plus {self.min_baseline_gain:g} (--min-floor-gain)"
            )

    def _beside_champion(self, precision: float, champion: Metrics | None) -> Iterator[str]:
        if champion is not None and champion.average_precision is not None:
            lost = champion.average_precision - precision
            if lost > self.max_ap_loss:
                yield (
                    f"average precision {precision:.3f} is {lost:.3f} below the champion's"
                    f" {champion.average_precision:.3f}, where {self.max_ap_loss:g} is allowed"
                    " (--max-ap-loss)"
                )

    def _absolute(self, candidate: Metrics) -> Iterator[str]:
        for name, found, least, option in (
            ("AUC ROC", candidate.auc_roc, self.min_auc_roc, "--min-auc-roc"),
            (
                "average precision",
                candidate.average_precision,
                self.min_average_precision,
                "--min-average-precision",
            ),
            (
                f"card precision@{candidate.cards_per_day}",
                candidate.card_precision,
                self.min_card_precision,
                "--min-card-precision",
            ),
        ):
            if least is not None and (found is None or found < least):
                yield f"{name} {found:.3f} is below {least:g} ({option})"


def _beside_chance(candidate: Metrics) -> Iterator[str]:
    """Probabilities that say nothing vary by so much: twice the deviation of a rank sum."""
    frauds, genuine = candidate.frauds, candidate.rows - candidate.frauds
    chance = 0.5 + 2 * math.sqrt((candidate.rows + 1) / (12 * frauds * genuine))
    if chance >= 1:
        yield f"too few frauds to tell it from chance: the test holds {frauds}; nothing is proven"
    elif (candidate.auc_roc or 0.0) <= chance:
        yield (
            f"AUC ROC {candidate.auc_roc:.3f} is not above {chance:.3f}, which may be chance"
            f" with {frauds} frauds: nothing is proven"
        )
