"""How far a run is from the runs before it, and whether that is out of the ordinary.

Every warning needs a difference that matters and that chance does not explain: a run of forty
reviews differs from the last one without anything being wrong.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.modelling.statistics import (
    PSI_LARGE,
    population_stability_index,
    psi_by_chance,
    psi_verdict,
)
from tasks.sentiment.run.statistics import ScoreStatistics
from tasks.sentiment.sql.tables import RunRow

MAX_SHARE_CHANGE = 0.10  # of the positive share, as a difference of shares
MAX_REJECTED_CHANGE = 0.01  # of the rejected share, as a difference of shares
MIN_Z = 4.0  # chance exceeds this once in 16,000 runs
ONE_LABEL_SHARE = 0.99
ONE_LABEL_SHARE_FIRST_RUN = 0.995
ONE_LABEL_ROWS = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside the earlier ones taken together. Without any, the figures of then are None."""

    previous: tuple[RunRow, ...] = ()
    positive_share_then: float | None = None
    positive_share_now: float | None = None
    z: float | None = None  # of the two positive shares
    psi: float | None = None
    histogram_then: tuple[int, ...] | None = None
    rejected_share_then: float | None = None
    rejected_share_now: float | None = None
    warnings: tuple[str, ...] = ()
    neutral_share_then: float | None = None  # of the runs whose model has a neutral label

    @property
    def psi_verdict(self) -> str | None:
        """The index in a word: stable, some change, or large change."""
        return None if self.psi is None else psi_verdict(self.psi)


def compare_to_previous(
    statistics: ScoreStatistics,
    *,
    rows_read: int,
    rejected: int,
    previous: Sequence[RunRow],
) -> Comparison:
    """Compare a run with earlier ones of the same source, taken together.

    Earlier runs without rows, or with a histogram of other bins, are left out.
    """
    now, bins = statistics.positive_share, len(statistics.histogram)
    runs = tuple(run for run in previous if run.rows and len(run.histogram or ()) == bins)
    rejected_now = rejected / rows_read if rows_read else None
    if not runs or now is None:
        return Comparison(
            previous=runs,
            positive_share_now=now,
            rejected_share_now=rejected_now,
            warnings=() if runs else tuple(_one_label_warnings(statistics)),
        )
    histogram_then = tuple(map(sum, zip(*(run.histogram or () for run in runs), strict=True)))
    rows_then = sum(histogram_then)
    then = sum((run.positive_share or 0.0) * run.rows for run in runs) / rows_then
    psi = population_stability_index(histogram_then, statistics.histogram)
    z = _two_proportion_z(then, rows_then, now, statistics.rows)
    neutral_then, neutral_rows = _neutral_then(runs)
    read_then = sum(run.rows_read for run in runs)
    rejected_share_then = sum(run.rejected for run in runs) / read_then if read_then else None
    warnings = [
        *_one_label_warnings(statistics, _label_shares(then, neutral_then), rows_then),
        *_share_warnings("positive", then, now, z),
        *_neutral_warnings(neutral_then, neutral_rows, statistics),
        *_psi_warnings(psi, rows_then, statistics.rows, bins),
    ]
    if rejected_share_then is not None and rejected_now is not None:
        rejected_z = _two_proportion_z(rejected_share_then, read_then, rejected_now, rows_read)
        warnings += _rejected_warnings(rejected_share_then, rejected_now, rejected_z)
    return Comparison(
        previous=runs,
        positive_share_then=then,
        positive_share_now=now,
        z=z,
        psi=psi,
        histogram_then=histogram_then,
        rejected_share_then=rejected_share_then,
        rejected_share_now=rejected_now,
        warnings=tuple(warnings),
        neutral_share_then=neutral_then,
    )


def _neutral_then(runs: Sequence[RunRow]) -> tuple[float | None, int]:
    """The neutral share of the runs that have one, and their rows."""
    counted = [(run.neutral_share, run.rows) for run in runs if run.neutral_share is not None]
    rows = sum(rows for _, rows in counted)
    return (sum(share * rows for share, rows in counted) / rows if rows else None), rows


def _two_proportion_z(share_then: float, rows_then: int, share_now: float, rows_now: int) -> float:
    """The difference of two shares in standard errors of the pooled share; now above then is +."""
    pooled = (share_then * rows_then + share_now * rows_now) / (rows_then + rows_now)
    variance = pooled * (1 - pooled) * (1 / rows_then + 1 / rows_now)
    return (share_now - share_then) / math.sqrt(variance) if variance > 0 else 0.0


def _label_shares(positive: float, neutral: float | None) -> dict[str, float]:
    shares = {"positive": positive, "negative": 1 - positive - (neutral or 0.0)}
    return shares if neutral is None else {**shares, "neutral": neutral}


def _one_label_warnings(
    statistics: ScoreStatistics, then: Mapping[str, float] | None = None, rows_then: int = 0
) -> list[str]:
    """then: the labels' shares before; None: of the first run, which is held to less."""
    shares = _label_shares(statistics.positive_share or 0.0, statistics.neutral_share)
    label, share = max(shares.items(), key=lambda item: item[1])
    if statistics.rows < ONE_LABEL_ROWS:
        return []
    told = f"{share:.1%} of {statistics.rows:,} reviews are {label}: nearly all have one label"
    if then is None:
        advice = "Is this the right text column, and does the model know the language?"
        return [f"{told}. {advice}"] if share >= ONE_LABEL_SHARE_FIRST_RUN else []
    share_then = then.get(label, 0.0)
    z = _two_proportion_z(share_then, rows_then, share, statistics.rows)
    if share < ONE_LABEL_SHARE or share_then >= ONE_LABEL_SHARE or abs(z) <= MIN_Z:
        return []
    return [f"{told}, and before it was {share_then:.1%}."]


def _neutral_warnings(then: float | None, rows_then: int, statistics: ScoreStatistics) -> list[str]:
    now = statistics.neutral_share
    if then is None or now is None:
        return []
    z = _two_proportion_z(then, rows_then, now, statistics.rows)
    return _share_warnings("neutral", then, now, z)


def _share_warnings(label: str, then: float, now: float, z: float) -> list[str]:
    if abs(now - then) <= MAX_SHARE_CHANGE or abs(z) <= MIN_Z:
        return []
    direction = "rose" if now > then else "fell"
    return [
        f"The {label} share {direction} from {then:.1%} to {now:.1%}, by "
        f"{abs(now - then) * 100:.1f} points; chance does not explain it (z = {z:+.1f})."
    ]


def _psi_warnings(psi: float, rows_then: int, rows_now: int, bins: int) -> list[str]:
    noise = psi_by_chance(bins, 1 / rows_then + 1 / rows_now)
    if psi <= max(PSI_LARGE, noise):
        return []
    return [
        f"The probabilities are distributed otherwise than before: population stability index "
        f"{psi:.2f}, a large change from {PSI_LARGE} on."
    ]


def _rejected_warnings(then: float, now: float, z: float) -> list[str]:
    if now - then <= MAX_REJECTED_CHANGE or now < 2 * then or z <= MIN_Z:
        return []
    return [f"The share of rejected rows rose from {then:.1%} to {now:.1%}."]
