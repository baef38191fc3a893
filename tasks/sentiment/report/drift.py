"""How far a night is from the nights before it, and whether that is out of the ordinary.

Every warning needs a difference that matters and that chance does not explain: a night of forty
reviews differs from the last one without anything being wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.sentiment.run.statistics import ScoreStatistics

PSI_MODERATE = 0.1
PSI_LARGE = 0.25
MAX_SHARE_CHANGE = 0.10  # of the positive share, as a difference of shares
MAX_REJECTED_CHANGE = 0.01  # of the rejected share, as a difference of shares
MIN_Z = 4.0  # chance exceeds this once in 16,000 nights
ONE_LABEL_SHARE = 0.99
ONE_LABEL_SHARE_FIRST_RUN = 0.995
ONE_LABEL_ROWS = 100

_SHARE_FLOOR = 1e-4
_CHI2_999 = {19: 43.82}  # 99.9 % quantile by degrees of freedom, for histograms of 20 bins


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """An earlier night of the same source, as `sentiment_runs` tells it."""

    run_id: str
    run_date: str  # YYYY-MM-DD
    positive_share: float
    histogram: tuple[int, ...]  # its sum is the number of rows with a result
    rows_read: int
    rejected: int

    @property
    def rows(self) -> int:
        """Rows that have a result."""
        return sum(self.histogram)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A night beside the earlier ones taken together. Without any, the figures of then are None."""

    previous: tuple[PreviousRun, ...]
    positive_share_then: float | None
    positive_share_now: float | None
    z: float | None  # of the two positive shares
    psi: float | None
    histogram_then: tuple[int, ...] | None
    rejected_share_then: float | None
    rejected_share_now: float | None
    warnings: tuple[str, ...]

    @property
    def previous_run_ids(self) -> tuple[str, ...]:
        """The runs compared with, in the order given."""
        return tuple(run.run_id for run in self.previous)

    @property
    def psi_verdict(self) -> str | None:
        """The index in a word: stable, some change, or large change."""
        if self.psi is None:
            return None
        if self.psi > PSI_LARGE:
            return "large change"
        return "some change" if self.psi > PSI_MODERATE else "stable"


def population_stability_index(
    expected_counts: Sequence[int], actual_counts: Sequence[int]
) -> float:
    """The distance of two histograms over the same bins: sum of (a - e) ln(a / e).

    e and a are the shares of the bins, raised to at least 0.0001 so that an empty bin gives a
    number. It is the symmetrised Kullback-Leibler divergence (Jeffreys 1946), under this name the
    credit-scoring measure of N. Siddiqi, Credit Risk Scorecards (Wiley 2006), with his reading:
    below 0.1 stable, up to 0.25 some change, above it a large one.

    Raises:
        ValueError: the histograms differ in length, or one of them is empty.
    """
    expected_rows, actual_rows = sum(expected_counts), sum(actual_counts)
    if len(expected_counts) != len(actual_counts):
        raise ValueError(f"{len(expected_counts)} bins against {len(actual_counts)}")
    if not expected_rows or not actual_rows:
        raise ValueError("a histogram without rows has no shares")
    total = 0.0
    for expected, actual in zip(expected_counts, actual_counts, strict=True):
        e = max(expected / expected_rows, _SHARE_FLOOR)
        a = max(actual / actual_rows, _SHARE_FLOOR)
        total += (a - e) * math.log(a / e)
    return total


def compare_to_previous(
    statistics: ScoreStatistics,
    *,
    rows_read: int,
    rejected: int,
    previous: Sequence[PreviousRun],
) -> Comparison:
    """Compare a night with earlier ones of the same source, taken together.

    Earlier runs without rows, or with a histogram of other bins, are left out.
    """
    bins = len(statistics.histogram)
    runs = tuple(run for run in previous if run.rows and len(run.histogram) == bins)
    now = statistics.positive_share
    rejected_now = rejected / rows_read if rows_read else None
    if not runs or now is None:
        return Comparison(
            previous=runs,
            positive_share_then=None,
            positive_share_now=now,
            z=None,
            psi=None,
            histogram_then=None,
            rejected_share_then=None,
            rejected_share_now=rejected_now,
            warnings=() if runs else _first_run_warnings(statistics),
        )
    histogram_then = tuple(sum(counts) for counts in zip(*(r.histogram for r in runs), strict=True))
    rows_then = sum(histogram_then)
    then = sum(run.positive_share * run.rows for run in runs) / rows_then
    psi = population_stability_index(histogram_then, statistics.histogram)
    z = _two_proportion_z(then, rows_then, now, statistics.rows)
    read_then, rejected_then = sum(r.rows_read for r in runs), sum(r.rejected for r in runs)
    rejected_share_then = rejected_then / read_then if read_then else None
    warnings = [
        *_one_label_warnings(statistics, then, z),
        *_share_warnings(then, now, z),
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
    )


def _two_proportion_z(share_then: float, rows_then: int, share_now: float, rows_now: int) -> float:
    """The difference of two shares in standard errors of the pooled share; now above then is +."""
    pooled = (share_then * rows_then + share_now * rows_now) / (rows_then + rows_now)
    variance = pooled * (1 - pooled) * (1 / rows_then + 1 / rows_now)
    return (share_now - share_then) / math.sqrt(variance) if variance > 0 else 0.0


def _one_label(statistics: ScoreStatistics) -> tuple[str, float]:
    share = statistics.positive_share or 0.0
    return ("positive", share) if share >= 0.5 else ("negative", 1 - share)


def _first_run_warnings(statistics: ScoreStatistics) -> tuple[str, ...]:
    label, share = _one_label(statistics)
    if statistics.rows < ONE_LABEL_ROWS or share < ONE_LABEL_SHARE_FIRST_RUN:
        return ()
    return (
        f"{share:.1%} of {statistics.rows:,} reviews are {label}: nearly all have one label. "
        "Is this the right text column, and does the model know the language?",
    )


def _one_label_warnings(statistics: ScoreStatistics, then: float, z: float) -> list[str]:
    label, share = _one_label(statistics)
    share_then = then if label == "positive" else 1 - then
    if statistics.rows < ONE_LABEL_ROWS or share < ONE_LABEL_SHARE:
        return []
    if share_then >= ONE_LABEL_SHARE or abs(z) <= MIN_Z:
        return []
    return [
        f"{share:.1%} of {statistics.rows:,} reviews are {label}: nearly all have one label, "
        f"and before it was {share_then:.1%}."
    ]


def _share_warnings(then: float, now: float, z: float) -> list[str]:
    if abs(now - then) <= MAX_SHARE_CHANGE or abs(z) <= MIN_Z:
        return []
    direction = "rose" if now > then else "fell"
    return [
        f"The positive share {direction} from {then:.1%} to {now:.1%}, by "
        f"{abs(now - then) * 100:.1f} points; chance does not explain it (z = {z:+.1f})."
    ]


def _psi_warnings(psi: float, rows_then: int, rows_now: int, bins: int) -> list[str]:
    # Between two samples of one population the index is about chi-squared with bins - 1 degrees
    # of freedom, times 1/m + 1/n (B. Yurdakul, Statistical Properties of PSI, 2018).
    noise = _CHI2_999.get(bins - 1, 0.0) * (1 / rows_then + 1 / rows_now)
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
