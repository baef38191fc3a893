"""The ranking: what meets the need first, the simplest or cheapest of it before the rest."""

from typing import Any

from tasks.comparison.advice.ranking import best, rank
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.measurement import Way
from tasks.comparison.pricing.figures import of_model
from tests.tasks.comparison.advice.case import case
from tests.tasks.comparison.measured import model


def test_simplest_strategy_that_meets_the_need_is_first():
    found = rank(case(devices=10, known_the_day_before="all"))
    assert all(each.meets for each in found)
    assert [each.strategy for each in found] == list(Strategy)


def test_those_that_miss_less_come_before_those_that_miss_more():
    missed = [len(each.failed) for each in rank(case(waiting="person", connectivity="at-times"))]
    assert missed == sorted(missed) and missed[0] == 1 and missed[-1] > 1


def test_nothing_meets_what_contradicts_itself():
    """A person waits where there is no network, and the data is that of others."""
    assert best(case(waiting="person", connectivity="never", rests_on="data-of-others")) is None


def test_cheaper_way_is_first_where_it_was_measured():
    """By rules the service is simpler; a hundred replicas of it cost more than a few devices."""
    known = of_model(model(), cores=2, origin="a test")
    asked: dict[str, Any] = {
        "waiting": "machine",
        "devices": 400,
        "volume_per_day": 86_400 * 50_000.0,
    }
    by_rules, measured = case(**asked, compute=0.0001), case(known, **asked)
    assert best(by_rules) is Strategy.SERVICE
    assert measured.cost(Strategy.DEVICE) < measured.cost(Strategy.SERVICE)
    assert best(measured) is Strategy.DEVICE


def test_strategies_are_the_ways_and_every_mixture():
    assert len({each.ways for each in Strategy}) == len(Strategy) == 2 ** len(Way) - 1
    assert all(each.ways for each in Strategy)
    assert [each.rank for each in Strategy] == list(range(7))
