"""Whether a candidate may become champion, from its metrics beside those of others.

All three are measured on the same transactions.
"""

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

    def faults(self, candidate: Metrics, baseline: Metrics, champion: Metrics | None) -> list[str]:
        """Why the candidate may not; empty if it may."""
        if candidate.average_precision is None or candidate.auc_roc is None:
            return ["the test transactions hold no fraud, or nothing else: nothing is proven"]
        return [
            *self._beside(candidate.average_precision, baseline, champion),
            *self._absolute(candidate),
        ]

    def _beside(
        self, precision: float, baseline: Metrics, champion: Metrics | None
    ) -> Iterator[str]:
        least = (baseline.average_precision or 0.0) + self.min_baseline_gain
        if precision <= least:
            yield (
                f"average precision {precision:.3f} is not above {least:.3f}: that of a logistic"
                f" regression plus {self.min_baseline_gain:g} (--min-floor-gain)"
            )
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
