"""Promises of the drift of features."""

from datetime import date, timedelta

import numpy as np
import pytest

from services.fraud.audit.drift import (
    bin_counts,
    count_features,
    measure,
    measure_last_week,
)
from services.fraud.scoring.card import FeatureRange, describe_features
from services.fraud.transactions.features import FEATURES
from tests.services.fraud.answered import draw_features

MONDAY = date(2026, 11, 16)


def counted(first: date, days: int, per_day: int = 1_000, seed: int = 0, factor: float = 1.0):
    """Counts per day by the card of like traffic, and that card's features."""
    rng = np.random.default_rng(seed)
    weeks = [MONDAY - timedelta(days=n % 7) for n in range(7_000)]
    features = describe_features(draw_features(7_000, rng, weeks), np.zeros(7_000, bool))
    found = {}
    for day in (first + timedelta(days=n) for n in range(days)):
        rows = draw_features(per_day, rng, [day] * per_day)
        rows[:, 0] *= factor
        found[day] = count_features(rows, features)
    return found, features


def test_bins_hold_what_the_card_says_they_hold():
    """Upper edges are inclusive, in the precision that the model sees."""
    feature = FeatureRange(name=FEATURES[0], bins=(0.1, 2.0), shares=(0.5, 0.3, 0.2))
    values = np.array([0.1, float(np.float32(0.1)), 0.10001, 2.0, 3.0, -5.0, np.nan])
    assert bin_counts(values, feature).tolist() == [3, 2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_unchanged_traffic_is_stable(seed):
    """No feature alarms, neither on a day of few rows nor on a weekend."""
    found, features = counted(MONDAY, 14, per_day=120, seed=seed)
    drift = measure(found, features)
    assert {one.verdict for one in drift} == {"stable"}
    assert {one.verdict for one in measure_last_week(found, features)} == {"stable"}


def test_changed_feature_is_found_on_its_day_and_alone():
    """Amounts are doubled: the amount alarms, the others do not."""
    found, features = counted(MONDAY, 7, factor=2.0)
    large = {(one.day, one.feature) for one in measure(found, features) if one.verdict != "stable"}
    assert large == {(MONDAY + timedelta(days=n), "TX_AMOUNT") for n in range(7)}
    assert measure_last_week(found, features)[0].feature == "TX_AMOUNT"


def test_weekend_is_measured_over_a_week():
    """A single day lies wholly in it or wholly outside."""
    found, features = counted(MONDAY, 9)
    days = [one.day for one in measure(found, features) if one.feature == "TX_DURING_WEEKEND"]
    assert days == [MONDAY + timedelta(days=6 + n) for n in range(3)]


def test_model_of_unknown_training_has_no_drift():
    """A card without bins leaves nothing to compare with."""
    features = [FeatureRange(name=name) for name in FEATURES]
    counts = count_features(np.ones((5, len(FEATURES))), features)
    assert counts == {}
    assert measure({MONDAY: counts}, features) == []
    assert measure_last_week({MONDAY: counts}, features) == []
