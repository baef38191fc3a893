"""What a run is told of an earlier one: slowdowns, and not the machine's noise."""

import pytest

from tests.bench.made import RATES, noisy_run, record_of, steady_row
from tests.benchmarks.bench.against import compare
from tests.benchmarks.bench.record import Record, Row, Suite

PAIRS = 200


def fallen(earlier: Record, record: Record) -> set[tuple[str, str]]:
    return {(each.earlier.what, each.name) for each in compare(earlier, record) if each.fell}


def test_two_equal_runs_are_quiet():
    """Of two hundred pairs hardly one flags any of its eight ratios, on a day half as fast too."""
    loud = [seed for seed in range(PAIRS) if fallen(noisy_run(seed), noisy_run(-1 - seed, day=0.5))]
    assert len(loud) <= PAIRS // 50


@pytest.mark.parametrize("what", RATES)
def test_slowdown_of_a_fifth_is_found(what):
    """Beside its peer, its limit, or both; nearly always, though rounds are hit by chance."""
    missed = [
        seed
        for seed in range(PAIRS)
        if not {what}
        & {row for row, _ in fallen(noisy_run(seed), noisy_run(-1 - seed, {what: 0.8}))}
    ]
    assert len(missed) <= PAIRS // 20


def test_slowdown_is_found_where_it_is():
    """The other rows have fallen for nobody."""
    assert fallen(noisy_run(1), noisy_run(2, {"int8": 0.8})) == {("int8", "peer"), ("int8", "max")}


def one_row(row: Row) -> Record:
    return record_of({"made": Suite(rows=(row,))})


@pytest.mark.parametrize(
    ("before", "now", "fell"),
    [
        ((100, 100, 100), (91, 91, 91), False),  # less than the noise of two equal runs
        ((100, 100, 100), (89, 89, 89), True),
        ((80, 100, 120), (65, 65, 65), False),  # less than the spread of the earlier rounds
        ((80, 100, 120), (59, 59, 59), True),
        ((100, 100, 100), (50, 65, 90), False),  # less than the spread of the new ones
        ((100, 100, 100), (150, 150, 150), False),
        ((100, 101, 99, 100, 10), (80, 81, 79, 80, 300), True),  # an outlier hides nothing
    ],
)
def test_fall_is_measured_by_the_larger_spread(before, now, fell):
    """And by a tenth where the rounds agree."""
    rows = [
        Row(what="x", unit="1/s", ours=ours, peers={"peer": (100,) * len(ours)})
        for ours in (before, now)
    ]
    assert bool(fallen(one_row(rows[0]), one_row(rows[1]))) == fell


def test_more_memory_is_a_fall():
    """Where lower is better the ratio is theirs to ours."""
    before = Row(what="x", unit="MB", better="lower", ours=(100,), peers={"peer": (200,)})
    now = before.model_copy(update={"ours": (125,)})
    ratio = before.ratio("peer")
    assert ratio is not None and ratio.median == 2.0
    assert fallen(one_row(before), one_row(now)) == {("x", "peer")}
    assert not fallen(one_row(now), one_row(before))


def test_ours_that_gives_nothing_any_more_is_a_fall():
    """Whether its rounds are empty, its row is missing, or its suite broke off."""
    before = one_row(steady_row())
    empty = one_row(steady_row().model_copy(update={"ours": (None, None)}))
    broke = record_of({"made": Suite(fault="it ended with 1")})
    assert fallen(before, empty) == fallen(before, broke) == {("answers", "peer")}


def test_peer_that_gives_nothing_is_no_fall():
    """Nor is a suite that was skipped, was not asked for, or is new."""
    before = one_row(steady_row())
    assert not fallen(before, one_row(steady_row(peer=None)))
    assert not fallen(before, record_of({"made": Suite(skipped="wrk is not installed")}))
    assert not fallen(before, record_of({}))
    assert not fallen(record_of({}), before)


def test_ratios_are_of_the_same_round():
    """A round that is slow for both is no spread, and one that misses a side is left out."""
    row = Row(what="x", unit="1/s", ours=(10, 40, None, 8), peers={"peer": (5, 20, 7, None)})
    ratio = row.ratio("peer")
    assert ratio is not None
    assert (ratio.median, ratio.spread) == (2.0, 0.0)
    assert row.ratio("nobody") is None
