"""Promises of judging a device: figures in, a word and a reason out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from edge.fleet.health import Device, Hour, Limits, format_age, judge
from tests.edge.fleet.records import NOON

WELL = Device(
    device="camera-7",
    first_seen=NOON - timedelta(days=9),
    last_seen=NOON - timedelta(minutes=1),
    interval_s=60.0,
    fps=15.0,
    p99_ms=66.0,
    temperature_c=51.0,
    state="ok",
    model="parts",
    version="1.2.3",
    runtime="ai-edge-litert",
    offline_s=1.0,
    lost=0,
)


def an_hour(
    number: int, fps: float = 15.0, starts: int = 0, stuck: int = 0, rolled_back: int = 0
) -> Hour:
    return Hour(
        hour=NOON - timedelta(hours=number),
        frames=int(fps * 3_600),
        seconds=3_600.0,
        dropped=0,
        starts=starts,
        stuck=stuck,
        rolled_back=rolled_back,
        p99_ms=66.0,
        temperature_c=51.0,
    )


def test_device_that_reports_and_works_is_ok():
    """Without a reason."""
    judgement = judge(WELL, Limits(), NOON)

    assert (judgement.health, judgement.reason) == ("ok", "")


@pytest.mark.parametrize(
    ("age", "interval_s", "health"),
    [
        (timedelta(minutes=14), 60.0, "ok"),
        (timedelta(minutes=16), 60.0, "late"),
        (timedelta(minutes=80), 1_800.0, "ok"),  # it reports every half hour
        (timedelta(minutes=91), 1_800.0, "late"),
        (timedelta(hours=23), 60.0, "late"),
        (timedelta(hours=25), 60.0, "silent"),
        (timedelta(hours=25), 80_000.0, "silent"),
        (timedelta(minutes=-5), 60.0, "ok"),  # its clock is ahead
    ],
)
def test_age_of_the_last_record_decides_first(age, interval_s, health):
    """Late after a quarter of an hour or three intervals, silent after a day."""
    device = replace(WELL, last_seen=NOON - age, interval_s=interval_s, state="no-frames")
    judgement = judge(replace(device, state="ok"), Limits(), NOON)

    assert judgement.health == health
    if health in ("late", "silent"):
        assert judge(device, Limits(), NOON).health == health
        assert format_age(age) in judgement.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "no-frames"}, "its camera gives no frames"),
        ({"model": None}, "it runs no model"),
        ({"temperature_c": 84.2}, "84 °C; 80 is the limit"),
        ({"p99_ms": 250.0}, "one frame in a hundred takes 250 ms; 200 is the limit"),
        ({"fps": 4.0}, "4.0 frames/s; 5 is the least"),
        ({"hours": (an_hour(1, stuck=2),)}, "its interpreter was stuck, 2 times in a day"),
        ({"hours": (an_hour(1, rolled_back=1),)}, "a new release failed on it"),
        ({"hours": (an_hour(1, starts=4), an_hour(2, starts=2))}, "started 6 times in a day"),
    ],
)
def test_trouble_makes_a_device_degraded(changes, reason):
    """And the reason says which, with the figure and its limit."""
    limits = Limits(max_p99_ms=200.0, min_fps=5.0)
    judgement = judge(replace(WELL, **changes), limits, NOON)

    assert judgement.health == "degraded"
    assert judgement.reason.startswith(reason)
    assert judge(WELL, limits, NOON).health == "ok"


def test_rate_is_compared_with_the_devices_own():
    """Half of its usual rate is trouble, unless there are too few hours to say what is usual."""
    day = tuple(an_hour(number) for number in range(5))

    assert judge(replace(WELL, fps=7.0, hours=day), Limits(), NOON).reason == (
        "7.0 frames/s; 15.0 is usual for it"
    )
    assert judge(replace(WELL, fps=8.0, hours=day), Limits(), NOON).health == "ok"
    assert judge(replace(WELL, fps=7.0, hours=day[:2]), Limits(), NOON).health == "ok"


def test_several_troubles_are_all_told():
    """In one line."""
    device = replace(WELL, state="no-frames", fps=0.0, temperature_c=99.0)

    assert judge(device, Limits(), NOON).reason == (
        "its camera gives no frames; 99 °C; 80 is the limit"
    )


def test_limit_that_is_not_set_is_not_judged():
    """None switches a judgement off; a missing figure breaks no limit."""
    limits = Limits(max_temperature_c=None)
    assert judge(replace(WELL, temperature_c=120.0), limits, NOON).health == "ok"
    nothing = replace(WELL, temperature_c=None, p99_ms=None)
    assert judge(nothing, Limits(max_p99_ms=1.0), NOON).health == "ok"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(45, "45 s"), (119, "119 s"), (600, "10 min"), (10_800, "3 h"), (5 * 86_400, "5 days")],
)
def test_ages_are_told_in_a_fitting_unit(seconds, words):
    assert format_age(timedelta(seconds=seconds)) == words
