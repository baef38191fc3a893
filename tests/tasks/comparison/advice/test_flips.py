"""What would have to change: every change that is told does what is said of it."""

import random

import pytest

from tasks.comparison.advice.checks import Case
from tasks.comparison.advice.flips import changed, decisive_flips, find_flips, try_changes
from tasks.comparison.advice.need import Requirements
from tasks.comparison.advice.ranking import best
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.pricing.figures import of_model
from tests.tasks.comparison.advice.case import case
from tests.tasks.comparison.measured import model

CHOICES = {
    "waiting": ("nobody", "person", "machine"),
    "latency": (None, 0.01, 0.1, 2.0),
    "freshness": (None, 5.0, 3_600.0, 86_400.0),
    "connectivity": ("always", "at-times", "never"),
    "data_may_leave": ("yes", "results-only", "no"),
    "rests_on": ("own-data", "data-of-others"),
    "devices": (0, 5, 20_000),
    "known_the_day_before": ("nothing", "part", "all"),
    "volume_per_day": (1_000.0, 1e7),
    "budget_per_month": (None, 300.0, 5_000.0),
    "maintained_by": ("nobody", "person", "team"),
    "compute": (0.001, 0.3),
}


def with_need(before: Case, need: Requirements) -> Case:
    return Case(need, before.prices, before.currency, before.known)


@pytest.mark.parametrize("seed", range(20))
def test_need_that_is_changed_as_told_has_the_answer_that_is_told(seed):
    """Of any need, also of one that nothing meets; by rules and by measurements."""
    chance = random.Random(seed)
    known = of_model(model(), 2, "a test") if seed % 2 else None
    asked = case(known, **{key: chance.choice(values) for key, values in CHOICES.items()})
    answer = best(asked)
    trials = try_changes(asked)
    flips = find_flips(asked, answer, trials)
    for flip in flips:
        assert flip.strategy is not answer
        assert best(with_need(asked, changed(asked.need, flip.changes))) is flip.strategy
        assert len({change.key for change in flip.changes}) == len(flip.changes)
    if answer is not None:
        for flip in decisive_flips(answer, trials):
            (change,) = flip.changes
            assert best(with_need(asked, changed(asked.need, [change]))) is flip.strategy


def test_no_smaller_change_is_left_out():
    """Where one change does it, no two are told; and of one requirement the nearest value."""
    asked = case(waiting="machine", latency=0.02, compute=0.001, devices=50)
    assert best(asked) is Strategy.DEVICE
    flips = {
        each.strategy: each.changes for each in find_flips(asked, best(asked), try_changes(asked))
    }
    (change,) = flips[Strategy.SERVICE]
    assert (change.key, change.before, change.after) == ("latency", 0.02, 0.05)
    assert change.told("USD") == "latency: 50 ms instead of 20 ms"


def test_several_changes_are_told_where_one_is_not_enough():
    asked = case(waiting="person", connectivity="never", rests_on="data-of-others", devices=5)
    flips = {
        each.strategy: each.changes for each in find_flips(asked, best(asked), try_changes(asked))
    }
    assert [change.key for change in flips[Strategy.DEVICE]] == ["rests_on"]
    assert [change.key for change in flips[Strategy.SERVICE]] == ["connectivity"]
    assert [change.key for change in flips[Strategy.NIGHT]] == ["waiting", "connectivity"]


def test_budget_is_raised_to_what_the_strategy_costs():
    asked = case(waiting="person", budget_per_month=500.0)
    assert best(asked) is None
    flips = {each.strategy: each.changes for each in find_flips(asked, None, try_changes(asked))}
    (change,) = flips[Strategy.SERVICE]
    assert change.key == "budget_per_month"
    assert asked.cost(Strategy.SERVICE) <= change.after < 1.2 * asked.cost(Strategy.SERVICE)
