"""One rule for each requirement: which strategies meet it, and which do not."""

from typing import Any

import pytest

from tasks.comparison.advice.checks import KEYS, check
from tasks.comparison.advice.strategy import Strategy
from tasks.comparison.pricing.figures import of_model
from tests.tasks.comparison.advice.case import case
from tests.tasks.comparison.measured import model

NIGHT, SERVICE, DEVICE = Strategy.NIGHT, Strategy.SERVICE, Strategy.DEVICE
ALL = set(Strategy)
WITH_DEVICE = {each for each in Strategy if "device" in each}
ONLINE = {each for each in Strategy if "service" in each}
BY_NIGHT = {NIGHT, Strategy.NIGHT_DEVICE}


@pytest.mark.parametrize(
    ("key", "given", "meet"),
    [
        ("waiting", {"waiting": "nobody"}, ALL),
        ("waiting", {"waiting": "person"}, ALL - BY_NIGHT),
        ("waiting", {"waiting": "machine"}, ALL - BY_NIGHT),
        ("latency", {"latency": 0.001}, ALL),  # nobody waits for it
        ("latency", {"waiting": "person", "latency": 0.001}, BY_NIGHT),  # those it says no word of
        ("latency", {"waiting": "person", "latency": 0.02, "compute": 0.001}, {DEVICE} | BY_NIGHT),
        ("latency", {"waiting": "person", "latency": 0.1}, ALL),
        (
            "latency",
            {"waiting": "person", "latency": 0.1, "compute": 0.1},
            BY_NIGHT | {Strategy.NIGHT_SERVICE, Strategy.ALL},
        ),
        ("freshness", {"freshness": None}, ALL),
        ("freshness", {"freshness": 86_400}, ALL),
        ("freshness", {"freshness": 3_600}, ALL - BY_NIGHT),
        ("freshness", {"freshness": 0.001}, set()),
        ("connectivity", {"connectivity": "never"}, {DEVICE}),
        ("connectivity", {"connectivity": "at-times"}, ALL),  # it may wait
        ("connectivity", {"connectivity": "at-times", "freshness": 60}, {DEVICE}),
        ("connectivity", {"connectivity": "at-times", "waiting": "person"}, {DEVICE}),
        ("data_may_leave", {"data_may_leave": "yes"}, ALL),
        ("data_may_leave", {"data_may_leave": "results-only"}, WITH_DEVICE),
        ("data_may_leave", {"data_may_leave": "no"}, {DEVICE}),
        ("rests_on", {"rests_on": "data-of-others"}, ALL - {DEVICE}),
        ("devices", {"devices": 0}, ALL - WITH_DEVICE),
        ("devices", {"devices": 1}, ALL),
        (
            "known_the_day_before",
            {"known_the_day_before": "nothing"},
            ALL - {Strategy.NIGHT_SERVICE, Strategy.ALL},
        ),
        ("known_the_day_before", {"known_the_day_before": "part"}, ALL),
        (
            "volume_per_day",
            {"devices": 1, "volume_per_day": 86_400 * 100.0},
            ALL - WITH_DEVICE,
        ),
        ("volume_per_day", {"devices": 100, "volume_per_day": 86_400 * 100.0}, ALL),
        ("budget_per_month", {"budget_per_month": None}, ALL),
        ("budget_per_month", {"budget_per_month": 10.0}, set()),
        ("budget_per_month", {"budget_per_month": 600.0}, {NIGHT}),
        ("maintained_by", {"maintained_by": "nobody"}, {NIGHT}),
        ("maintained_by", {"maintained_by": "person"}, {NIGHT, SERVICE, DEVICE}),
        ("maintained_by", {"maintained_by": "team"}, ALL),
    ],
)
def test_requirement_is_met_by(key, given, meet):
    found = {
        strategy
        for strategy in Strategy
        for each in check(case(**given), strategy)
        if each.key == key and each.met
    }
    assert found == meet


def test_every_requirement_is_judged_of_every_strategy_with_a_reason():
    for strategy in Strategy:
        checks = check(case(devices=3), strategy)
        assert tuple(each.key for each in checks) == KEYS
        assert all(each.reason for each in checks)


def test_measurements_are_used_where_there_are_some_and_rules_said_to_be_rules():
    """The measured device takes 3 ms, and rules of thumb say 60."""
    known = of_model(model(), cores=2, origin="a test")
    asked: dict[str, Any] = {"waiting": "machine", "latency": 0.005, "devices": 100}
    by_rules = {each.key: each for each in check(case(**asked), DEVICE)}
    measured = {each.key: each for each in check(case(known, **asked), DEVICE)}
    assert (by_rules["latency"].met, by_rules["latency"].measured) == (False, False)
    assert (measured["latency"].met, measured["latency"].measured) == (True, True)
    assert not measured["connectivity"].measured
    assert not measured["freshness"].measured  # no bound is set: nothing was asked of it


def test_night_says_how_long_its_run_takes_and_how_many_machines_it_asks_for():
    reasons = {each.key: each.reason for each in check(case(freshness=86_400), NIGHT)}
    assert "for its run" in reasons["freshness"]
    huge = {
        each.key: each.reason for each in check(case(volume_per_day=400 * 6 * 3_600 * 10.0), NIGHT)
    }
    assert "on one machine: take 10" in huge["volume_per_day"]
