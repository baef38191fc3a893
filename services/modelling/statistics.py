"""Measures of distributions and shares that several reports rest on."""

import math
from collections.abc import Sequence

PSI_MODERATE = 0.1
PSI_LARGE = 0.25
_SHARE_FLOOR = 1e-4
_Z_95 = 1.96  # of a normal distribution: 95 % lie within
_Z_999 = 3.0902  # 99.9 % lie below


def population_stability_index(expected: Sequence[float], counts: Sequence[int]) -> float:
    """The distance of two histograms over the same bins: sum of (a - e) ln(a / e).

    e and a are the shares of the bins, raised to at least 0.0001 so that an empty bin gives a
    number. It is the symmetrised Kullback-Leibler divergence (Jeffreys 1946), under this name the
    credit-scoring measure of N. Siddiqi, Credit Risk Scorecards (Wiley 2006).

    expected: the counts or the shares of the bins.

    Raises: ValueError: the histograms differ in length, or one of them is empty.
    """
    whole, rows = sum(expected), sum(counts)
    if len(expected) != len(counts):
        raise ValueError(f"{len(expected)} bins against {len(counts)}")
    if not whole or not rows:
        raise ValueError("a histogram without rows has no shares")
    total = 0.0
    for share, count in zip(expected, counts, strict=True):
        e, a = max(share / whole, _SHARE_FLOOR), max(count / rows, _SHARE_FLOOR)
        total += (a - e) * math.log(a / e)
    return total


def psi_by_chance(bins: int, weight: float) -> float:
    """The index that two samples of one population exceed less than once in a thousand times.

    Between such samples the index is about chi-squared with bins - 1 degrees of freedom, times
    the weight (B. Yurdakul, Statistical Properties of PSI, 2018).

    weight: 1/m + 1/n for samples of m and n rows; 1/n if the expected shares are exact.
    """
    return _chi2_999(bins - 1) * weight


def psi_verdict(psi: float, chance: float = 0.0) -> str:
    """The index in a word, by Siddiqi's reading: stable, some change, or large change.

    chance: an index up to which nothing has changed.
    """
    if psi <= max(PSI_MODERATE, chance):
        return "stable"
    return "some change" if psi <= max(PSI_LARGE, chance) else "large change"


def wilson_interval(share: float, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share after E. B. Wilson (1927), sound for few rows as well."""
    z2 = _Z_95**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    spread = share * (1 - share) / rows + z2 / (4 * rows * rows)
    half = _Z_95 * math.sqrt(max(spread, 0.0)) / (1 + z2 / rows)
    return max(0.0, centre - half), min(1.0, centre + half)


def _chi2_999(degrees: int) -> float:
    """The 99.9 % quantile of chi-squared, after Wilson and Hilferty (1931): right to 1 %."""
    if degrees < 1:
        return 0.0
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + _Z_999 * math.sqrt(part)) ** 3)
