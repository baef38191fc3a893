"""The benchmark of the state: what counts of its rounds, and what is told of them."""

from dataclasses import replace

from tests.benchmarks.bench_state import ONE, TWO, Figure, _table, middle_rounds

FIGURE = Figure(ONE, 1, 500.0, 1.25, 7.5, 0, 0.5, 0.25)


def test_round_with_the_median_rate_counts():
    rates = {ONE: (900.0, 1_500.0, 1_000.0), TWO: (400.0, 390.0, 410.0)}
    rounds = [replace(FIGURE, way=way, per_s=rate) for way in rates for rate in rates[way]]
    figures = middle_rounds(rounds)
    assert [(figure.way, figure.per_s) for figure in figures] == [(ONE, 1_000), (TWO, 400)]


def test_way_is_told_with_its_times_and_errors():
    [row] = zip(*(column.cells for column in _table([FIGURE]).columns), strict=True)
    assert row[:5] == (ONE, "1", "500/s", "1.25 / 7.5 ms", "0 errors")


def test_way_that_answered_nothing_is_shown_without_figures():
    nothing = Figure(ONE, 1, 0.0, None, None, 7, None, None)
    [row] = zip(*(column.cells for column in _table([nothing]).columns), strict=True)
    assert row[2:] == ("0/s", "- / - ms", "7 errors", "- s", "- s")
