"""What keeps a candidate out."""

from dataclasses import replace

import pytest

from services.fraud.scoring.evaluation import Metrics
from services.fraud.training.gate import Gate

GOOD = Metrics(
    rows=1_000,
    frauds=20,
    auc_roc=0.88,
    average_precision=0.7,
    card_precision=0.3,
    share_of_oracle=0.74,
    calibration_error=0.001,
)
BASELINE = replace(GOOD, average_precision=0.6)


@pytest.mark.parametrize("champion", [None, GOOD, replace(GOOD, average_precision=0.719)])
def test_good_candidate_passes(champion):
    """The first one needs to beat the baseline alone; a little may be lost to the champion."""
    assert Gate().faults(GOOD, BASELINE, champion) == []


@pytest.mark.parametrize(
    ("gate", "baseline", "champion", "words"),
    [
        (Gate(), GOOD, None, ["0.700 is not above 0.700", "--min-floor-gain"]),
        (Gate(min_baseline_gain=0.2), BASELINE, None, ["not above 0.800"]),
        (Gate(), BASELINE, replace(GOOD, average_precision=0.73), ["0.030 below", "--max-ap-loss"]),
        (Gate(min_auc_roc=0.9), BASELINE, None, ["AUC ROC 0.880 is below 0.9", "--min-auc-roc"]),
        (Gate(min_average_precision=0.8), BASELINE, None, ["--min-average-precision"]),
        (Gate(min_card_precision=0.31), BASELINE, None, ["card precision@100 0.300 is below 0.31"]),
    ],
)
def test_each_fault_is_told_with_figures_and_option(gate, baseline, champion, words):
    """One fault, one line."""
    (fault,) = gate.faults(GOOD, baseline, champion)
    assert all(word in fault for word in words)


def test_nothing_is_proven_without_frauds():
    """A test without frauds lets nobody in."""
    blind = replace(GOOD, frauds=0, auc_roc=None, average_precision=None)
    assert Gate().faults(blind, BASELINE, None) == [
        "the test transactions hold no fraud, or nothing else: nothing is proven"
    ]


@pytest.mark.parametrize(
    ("gate", "candidate", "words"),
    [
        (Gate(), GOOD, None),
        (Gate(), replace(GOOD, average_precision=0.681), None),
        (Gate(), replace(GOOD, average_precision=0.679), "is 0.021 below that of the logistic"),
        (Gate(), replace(GOOD, auc_roc=0.629), "not above 0.630, which may be chance with 20"),
        (Gate(min_baseline_gain=0.01), replace(GOOD, average_precision=0.705), "--min-floor-gain"),
        (Gate(min_baseline_gain=-1e-9), replace(GOOD, auc_roc=0.5), "which may be chance"),
        (Gate(), replace(GOOD, rows=120, frauds=1, auc_roc=1.0), "to tell it from chance"),
    ],
)
def test_candidate_that_began_as_the_baseline_may_lose_little_to_it(gate, candidate, words):
    """As to a champion; yet probabilities that say nothing let nobody in."""
    found = gate.faults(candidate, GOOD, None, from_baseline=True)
    assert [words in fault for fault in found] == [True] * bool(words)
