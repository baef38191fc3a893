"""What is told, and when: on a fake clock."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tasks.operations.notices.memory import CALM, LASTS, QUIET, Memory
from tasks.operations.notices.trouble import Trouble

START = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)


def trouble(key: str) -> Trouble:
    return Trouble(key, f"{key} happened", "it matters", "do something")


class Teller:
    """Looks every ten seconds, and notes what was told when."""

    def __init__(self) -> None:
        self.memory, self.now = Memory(), START
        self.told: list[tuple[float, list[str], list[str]]] = []

    def look(self, *keys: str, minutes: float = 1 / 6) -> None:
        """For so long everything that is named is wrong."""
        until = self.now + timedelta(minutes=minutes)
        while self.now < until:
            news = self.memory.take([trouble(key) for key in keys], self.now)
            if news:
                minute = round((self.now - START) / timedelta(minutes=1), 1)
                new = [each.trouble.key for each in news.new]
                self.told.append((minute, new, [each.trouble.key for each in news.well]))
            self.now += timedelta(seconds=10)


def test_trouble_is_told_once_and_once_when_it_is_well_again():
    """However long it lasts."""
    teller = Teller()
    teller.look("disk", minutes=600)
    teller.look(minutes=600)
    assert teller.told == [(1.0, ["disk"], []), (620.0, [], ["disk"])]


def test_what_is_over_at_once_is_not_told():
    teller = Teller()
    for _ in range(50):
        teller.look("disk")
        teller.look(minutes=2)
    assert teller.told == []


@pytest.mark.parametrize("minutes", [1, 5, 15])
def test_what_comes_and_goes_is_told_once(minutes):
    """Also where it is away for longer than the ten minutes between looks at devices."""
    teller = Teller()
    for _ in range(100 // minutes):
        teller.look("device-silent:cam-7", minutes=minutes)
        teller.look(minutes=minutes)
    assert [told for _, *told in teller.told] == [[["device-silent:cam-7"], []]]
    teller.look(minutes=60)
    assert [well for _, _, well in teller.told] == [[], ["device-silent:cam-7"]]


def test_storm_is_one_message_and_so_is_its_end():
    """A hundred that come one after another within a minute."""
    teller, keys = Teller(), [f"run-failed:flow/{number}" for number in range(100)]
    for count in (10, 50, 99, 100):
        teller.look(*keys[:count])
    teller.look(*keys, minutes=60)
    teller.look(minutes=60)
    assert [(len(new), len(well)) for _, new, well in teller.told] == [(100, 0), (0, 100)]


def test_slow_storm_is_a_message_each_quarter_of_an_hour():
    """One device a minute falls silent, for an hour."""
    teller = Teller()
    for count in range(1, 61):
        teller.look(*(f"device-silent:{number}" for number in range(count)), minutes=1)
    assert [len(new) for _, new, _ in teller.told] == [2, 15, 15, 15]


def test_another_kind_is_not_kept_waiting():
    teller = Teller()
    teller.look("disk", minutes=2)
    teller.look("disk", "promotion-blocked", minutes=10)
    assert [new for _, new, _ in teller.told] == [["disk"], ["promotion-blocked"]]


@pytest.mark.parametrize("blinding", ["prefect-away", "database"])
def test_nothing_counts_as_well_while_nobody_can_see(blinding):
    """A server that is away for a night says nothing of the runs that had failed."""
    teller = Teller()
    teller.look("run-failed:a/b", minutes=5)
    teller.look(blinding, minutes=500)
    teller.look("run-failed:a/b", minutes=60)
    assert [(new, well) for _, new, well in teller.told] == [
        (["run-failed:a/b"], []),
        ([blinding], []),
        ([], [blinding]),
    ]


def test_clock_that_is_put_back_makes_nobody_wait():
    teller = Teller()
    teller.look("disk", minutes=5)
    teller.now -= timedelta(days=400)
    back = teller.now
    teller.look("disk", "promotion-blocked", minutes=5)
    teller.look(minutes=60)
    assert [new for _, new, _ in teller.told] == [["disk"], ["promotion-blocked"], []]
    assert teller.now - back < timedelta(minutes=66)


def test_memory_outlives_its_process():
    """At each moment, through JSON."""
    teller = Teller()
    for keys in (("disk", "run-failed:a/b"), ("disk",), ("disk", "device-silent:7"), ()):
        for _ in range(40):
            teller.look(*keys, minutes=1)
            teller.memory = Memory.of_json(json.loads(json.dumps(teller.memory.to_json())))
    assert [(new, well) for _, new, well in teller.told] == [
        (["disk", "run-failed:a/b"], []),
        ([], ["run-failed:a/b"]),
        (["device-silent:7"], []),
        ([], ["disk", "device-silent:7"]),
    ]
    assert teller.memory.known == {}


def test_times_stand_in_the_right_order():
    """What the other tests lean on."""
    assert LASTS < QUIET < CALM
