"""Promises of the comparison with earlier runs."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from tasks.sentiment.report.drift import Comparison, compare_to_previous
from tasks.sentiment.run.statistics import ScoreStatistics
from tasks.sentiment.sql.tables import RunRow


def statistics(count: int, share: float, seed: int = 0) -> ScoreStatistics:
    """Statistics of a run with about that share of positive reviews."""
    rng = np.random.default_rng(seed)
    positive = rng.random(count) < share
    probabilities = np.where(positive, rng.uniform(0.7, 1, count), rng.uniform(0, 0.3, count))
    return ScoreStatistics.of([str(n) for n in range(count)], probabilities, ["t"] * count)


def three_labels(probabilities: list[tuple[float, float]]) -> ScoreStatistics:
    """Statistics of rows with these probabilities of POSITIVE and of NEUTRAL."""
    names = [str(n) for n in range(len(probabilities))]
    return ScoreStatistics.of(names, np.array(probabilities), names)


def run_of(statistics: ScoreStatistics, rejected: int = 0, run_id: str = "before") -> RunRow:
    return RunRow(
        run_id=run_id,
        source="shop",
        run_date=date(2026, 11, 21),
        status="finished",
        model="bundled",
        model_digest="digest",
        precision="int8",
        started_at=datetime(2026, 11, 21, 2, tzinfo=UTC),
        positive_share=statistics.positive_share,
        histogram=list(statistics.histogram),
        rows_read=statistics.rows + rejected,
        scored=statistics.rows,
        rejected=rejected,
    )


def compared(now: ScoreStatistics, *previous: RunRow, rejected: int = 0) -> Comparison:
    return compare_to_previous(
        now, rows_read=now.rows + rejected, rejected=rejected, previous=previous
    )


def test_comparison_of_identical_runs_warns_of_nothing():
    """The same run again is stable, also where nearly all reviews are positive anyway."""
    for share in (0.8, 0.998):
        now = statistics(2_000, share)
        comparison = compared(now, run_of(now, rejected=3), rejected=3)
        assert comparison.warnings == ()
        assert comparison.psi == pytest.approx(0)
        assert comparison.psi_verdict == "stable"
        assert [run.run_id for run in comparison.previous] == ["before"]


def test_comparison_of_a_flipped_run_warns_loudly():
    """Labels the other way round: both the share and the distribution say so."""
    comparison = compared(statistics(2_000, 0.2), run_of(statistics(2_000, 0.8, seed=1)))
    assert any("positive share fell" in warning for warning in comparison.warnings)
    assert any("stability index" in warning for warning in comparison.warnings)
    assert comparison.psi_verdict == "large change"


def test_comparison_of_a_small_run_blames_chance():
    """Twenty reviews, a few points off: nothing that chance does not do."""
    assert compared(statistics(20, 0.6), run_of(statistics(20_000, 0.75, seed=1))).warnings == ()


def test_comparison_warns_when_nearly_all_have_one_label():
    """A green run with 99 % positive, after runs of 92 %."""
    comparison = compared(statistics(5_000, 0.995), run_of(statistics(5_000, 0.92, seed=1)))
    assert any("nearly all have one label" in warning for warning in comparison.warnings)


@pytest.mark.parametrize(("count", "share", "warned"), [(500, 1.0, 1), (50, 1.0, 0), (500, 0.9, 0)])
def test_first_run_warns_of_one_label_only(count, share, warned):
    """Without an earlier run only 99.5 % of one label, on enough rows, is suspicious."""
    comparison = compared(statistics(count, share))
    assert len(comparison.warnings) == warned
    assert comparison.psi is None


def test_comparison_warns_when_rejects_jump():
    """From 0.1 % to 4 % rejected."""
    now = statistics(5_000, 0.8)
    assert any(
        "rejected rows rose" in warning
        for warning in compared(now, run_of(now, rejected=5), rejected=200).warnings
    )


def test_comparison_takes_earlier_runs_together():
    """Two runs weigh by their rows; one without rows is left out."""
    small, large = statistics(100, 0.5), statistics(900, 0.9)
    empty = run_of(ScoreStatistics(), run_id="empty")
    comparison = compared(statistics(500, 0.85), run_of(small), run_of(large), empty)
    share = (small.positive + large.positive) / 1_000
    assert comparison.positive_share_then == pytest.approx(share)
    assert len(comparison.previous) == 2


def test_comparison_of_an_empty_run_says_nothing():
    """A run without rows has nothing to compare."""
    comparison = compared(ScoreStatistics(), run_of(statistics(100, 0.5)))
    assert (comparison.psi, comparison.warnings) == (None, ())


def test_neutral_share_is_compared_with_the_runs_that_have_one():
    """A change beyond chance is a warning; a model without the label is no run of none."""
    now = three_labels([(0.1, 0.8)] * 400 + [(0.9, 0.05)] * 600)
    two = replace(run_of(now), neutral_share=None)

    steady = compared(now, replace(two, neutral_share=0.4), two)
    assert (steady.neutral_share_then, steady.warnings) == (0.4, ())
    (warning,) = compared(now, replace(two, neutral_share=0.1)).warnings
    assert "The neutral share rose from 10.0% to 40.0%" in warning
    assert compared(now, two).neutral_share_then is None


def test_nearly_all_neutral_is_told():
    """As with the other two labels."""
    (warning,) = compared(three_labels([(0.1, 0.8)] * 1_000)).warnings
    assert "100.0% of 1,000 reviews are neutral" in warning
