"""Measures of quality, against scikit-learn's and against the Handbook's rules by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from services.fraud.scoring.evaluation import (
    alert_threshold,
    auc_roc,
    average_precision,
    baseline_split,
    card_precision,
    day_numbers,
    day_of,
    evaluate,
    expected_calibration_error,
    share_of_oracle,
)
from services.fraud.transactions.features import DAY_S
from services.fraud.transactions.transactions import read_transactions
from tests.services.fraud.published import FILE, needs_published


@pytest.mark.parametrize("levels", [3, 50, 10_000])
def test_ranking_measures_equal_those_of_scikit_learn(levels):
    """Also where many probabilities are equal."""
    draws = np.random.default_rng(levels)
    probabilities = draws.integers(0, levels, 5_000) / levels
    truth = draws.random(5_000) < 0.02 + 0.1 * probabilities

    assert auc_roc(truth, probabilities) == pytest.approx(roc_auc_score(truth, probabilities))
    assert average_precision(truth, probabilities) == pytest.approx(
        average_precision_score(truth, probabilities)
    )


def test_ranking_measures_need_frauds():
    """Without any there is nothing to rank."""
    with pytest.raises(ValueError, match="frauds"):
        auc_roc(np.zeros(3), np.arange(3))
    with pytest.raises(ValueError, match="frauds"):
        average_precision(np.zeros(3), np.arange(3))


def test_card_precision_takes_a_card_by_its_worst_transaction_and_checks_it_once():
    """Two cards are checked a day; the one found on the first day leaves room on the second."""
    days = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    cards = np.array(["a", "a", "b", "c", "a", "b", "c", "d"])
    found = np.array([0.1, 0.9, 0.5, 0.4, 0.9, 0.8, 0.7, 0.1])
    truth = np.array([1, 0, 0, 0, 1, 0, 1, 1], dtype=bool)

    # Day 1: a (fraud in its other transaction) and b. Day 2: b and c, for a is blocked.
    assert card_precision(days, cards, found, truth, k=2) == (1 / 2 + 1 / 2) / 2


def test_share_of_oracle_compares_with_perfect_foresight():
    """With few compromised cards even the oracle's card precision is low."""
    days, cards = np.repeat([1, 2], 50), np.arange(100)
    truth = np.zeros(100, dtype=bool)
    truth[[3, 60]] = True

    assert card_precision(days, cards, truth.astype(float), truth, k=10) == 0.1
    assert share_of_oracle(0.05, days, cards, truth, k=10) == 0.5
    assert share_of_oracle(0.0, days, cards, np.zeros(100), k=10) is None


@pytest.mark.parametrize("budget", [1, 7, 40])
def test_alert_threshold_keeps_the_budget_and_uses_it(budget):
    """On average over the days, whatever the labels."""
    draws = np.random.default_rng(0)
    days, cards = draws.integers(0, 7, 4_000), draws.integers(0, 300, 4_000)
    probabilities = draws.beta(0.2, 5, 4_000).astype(np.float32).astype(float)

    threshold = alert_threshold(days, cards, probabilities, budget)

    flagged = probabilities >= threshold
    assert len(set(zip(days[flagged], cards[flagged], strict=True))) == 7 * budget


def test_alert_threshold_flags_fewer_rather_than_more_where_cards_are_tied():
    """All cards alike cannot be told apart: none is flagged, unless there is room for all."""
    days, cards, alike = np.zeros(10), np.arange(10), np.full(10, 0.3)

    assert alert_threshold(days, cards, alike, 5) > 0.3
    assert alert_threshold(days, cards, alike, 10) == 0.3
    assert alert_threshold(days, cards, np.ones(10), 5) == 1.0
    assert alert_threshold(np.zeros(0), np.zeros(0), np.zeros(0), 5) == 1.0


def test_calibration_error_is_zero_for_honest_probabilities():
    """And the distance for dishonest ones."""
    truth = np.tile([True, False], 500)

    assert expected_calibration_error(truth, np.full(1_000, 0.5)) == pytest.approx(0, abs=0.1)
    assert expected_calibration_error(truth, np.full(1_000, 0.9)) == pytest.approx(0.4)


def test_evaluation_without_frauds_says_so_instead_of_failing():
    """None where a measure has no meaning."""
    metrics = evaluate(np.zeros(4), np.arange(4), np.full(4, 0.1), np.zeros(4))

    assert (metrics.auc_roc, metrics.average_precision, metrics.share_of_oracle) == (None,) * 3
    assert (metrics.rows, metrics.frauds, metrics.card_precision) == (4, 0, 0.0)


def test_split_takes_out_cards_once_their_fraud_is_known():
    """A card with a fraud in training never tests; one of the delay leaves once it has passed."""
    at = [0, 1, 2, 3, 4, 5]  # train on days 0 and 1, delay 2 and 3, test 4 and 5
    rows = [(card, day) for card in ("early", "late", "never") for day in at]
    table = pd.DataFrame(rows, columns=["customer_id", "day"])
    table["time"] = table["day"] * DAY_S + 60
    table["is_fraud"] = [(c, d) in {("early", 1), ("late", 2)} for c, d in rows]

    split = baseline_split(table, date(1970, 1, 1), 2, 2, 2)

    tested = set(table.loc[split.test, ["customer_id", "day"]].itertuples(index=False, name=None))
    # The fraud of day 2 is known at the end of day 4.
    assert tested == {("late", 4), ("never", 4), ("never", 5)}
    assert split.start_test == date(1970, 1, 5)
    assert table.loc[split.train, "day"].unique().tolist() == [0, 1]


@needs_published
def test_baseline_week_has_the_published_counts():
    """67,240 transactions with 598 frauds train; 58,264 with 385 test."""
    table = read_transactions(FILE)
    split = baseline_split(table, date(2018, 7, 25))

    labels = table["is_fraud"].to_numpy()
    assert (split.train.sum(), labels[split.train].sum()) == (67_240, 598)
    assert (split.test.sum(), labels[split.test].sum()) == (58_264, 385)
    assert day_of(day_numbers(table["time"].to_numpy()[split.test])[0]) == date(2018, 8, 8)
