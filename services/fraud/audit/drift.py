"""How far the features of live transactions are from those the model was trained on.

The measure is the population stability index, over the bins of the model's card.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from services.fraud.scoring.card import FeatureRange
from services.modelling.statistics import (
    population_stability_index,
    psi_by_chance,
    psi_verdict,
)

WEEK = 7
# A single day lies wholly in the weekend or wholly outside: only a week can be compared.
WEEKLY = frozenset({"TX_DURING_WEEKEND"})

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Drift:
    """A feature on one day; a weekly one over the seven days that end with it."""

    day: date
    feature: str
    rows: int
    psi: float
    verdict: str


def bin_counts(values: NDArray[np.float64], feature: FeatureRange) -> Counts:
    """How many finite values lie in each bin of the card."""
    # The model saw float32, and so may the edges be: equal values have to stay equal.
    edges = np.asarray(feature.bins, np.float32)
    finite = values[np.isfinite(values)].astype(np.float32)
    places = np.searchsorted(edges, finite, side="left")
    return np.bincount(places, minlength=len(edges) + 1).astype(np.int64)


def count_features(
    rows: NDArray[np.float64], features: Sequence[FeatureRange]
) -> dict[str, Counts]:
    """The counts of each feature that the card knows bins of.

    rows: shape (n, width), in the order of `features`.
    """
    known = ((place, f) for place, f in enumerate(features) if f.shares)
    return {feature.name: bin_counts(rows[:, place], feature) for place, feature in known}


def measure(
    counted: Mapping[date, Mapping[str, Counts]], features: Sequence[FeatureRange]
) -> list[Drift]:
    """The drift of each feature on each day that has rows, in the order of days."""
    found = []
    for day in sorted(counted):
        for feature in features:
            span = WEEK if feature.name in WEEKLY else 1
            days = [day - timedelta(days=n) for n in range(span)]
            there = [counted[d][feature.name] for d in days if feature.name in counted.get(d, {})]
            if len(there) == span and (drift := compare(day, feature, there)):
                found.append(drift)
    return found


def measure_last_week(
    counted: Mapping[date, Mapping[str, Counts]], features: Sequence[FeatureRange]
) -> list[Drift]:
    """The drift of each feature over the last seven days that have rows, the largest first."""
    days = sorted(counted)[-WEEK:]
    found = []
    for feature in features:
        there = [counted[day][feature.name] for day in days if feature.name in counted[day]]
        if (feature.name not in WEEKLY or len(there) == WEEK) and there:
            found.append(compare(days[-1], feature, there))
    return sorted(filter(None, found), key=lambda week: -week.psi)  # equal ones as in the card


def compare(day: date, feature: FeatureRange, counts: Sequence[Counts]) -> Drift | None:
    """The drift of a feature whose counts on some days are taken together; None without rows."""
    together = np.sum(counts, axis=0)
    rows = int(together.sum())
    if not rows:
        return None
    psi = population_stability_index(feature.shares, together.tolist())
    verdict = psi_verdict(psi, psi_by_chance(len(feature.shares), 1 / rows))
    return Drift(day, feature.name, rows, psi, verdict)
