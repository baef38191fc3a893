"""Late, stuck and overdue runs, on clocks of the test's own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.storage.process import Process
from tasks.operations.watch.delays import Delays, RunAtWork, RunDue, at_most_of
from tasks.orchestration.alive.heartbeat import Beat

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
BEAT = Beat(Process("host", "machine", 1, "1"), 1, worked=10.0, steps=5)
RUN = RunAtWork(uuid4(), "night", NOW, None, None, BEAT)


def minutes_until(trouble: str, beats, run: RunAtWork = RUN) -> int | None:
    """When it is told first; beats: the sign of life at each minute."""
    delays = Delays()
    for minute in range(120):
        at = replace(run, beat=beats(minute))
        found = delays.look([at], [], NOW + timedelta(minutes=minute), minute * 60.0)
        if found:
            assert [each.key for each in found] == [f"{trouble}:{run.id}"]
            return minute
    return None


def test_run_that_does_nothing_is_stuck():
    """Though it gives signs of life, which take a little time of the processor."""
    assert minutes_until("run-stuck", lambda minute: replace(BEAT, number=minute)) == 15
    idle = lambda minute: replace(BEAT, worked=10 + 0.3 * minute)  # noqa: E731
    assert minutes_until("run-stuck", idle) == 15


def test_run_that_computes_or_gets_on_is_not_stuck():
    """Work elsewhere, as on a cluster, shows by its steps; a training by the processor's time."""
    assert minutes_until("-", lambda minute: replace(BEAT, worked=50.0 * minute)) is None
    assert minutes_until("-", lambda minute: replace(BEAT, steps=minute // 10)) is None


def test_run_past_its_window_or_its_most_is_overdue():
    """And told of as long as it runs."""
    works = lambda minute: replace(BEAT, steps=minute)  # noqa: E731
    window = replace(RUN, ends_at=NOW + timedelta(minutes=30))
    assert minutes_until("run-overdue", works, window) == 46
    most = replace(RUN, at_most=timedelta(minutes=60))
    assert minutes_until("run-overdue", works, most) == 61


def test_run_that_nobody_begins_is_late_once_for_its_deployment():
    """However many nights have gathered."""
    due = [RunDue("nightly", NOW - timedelta(days=days)) for days in range(3)]
    assert Delays().look([], due[:1], NOW, 0) == []
    (trouble,) = Delays().look([], due, NOW, 0)
    assert trouble.key == "run-late:nightly"
    assert trouble.what == "nightly was due at 2026-11-21 04:00 UTC and has not begun"


def test_longest_duration_is_read_from_the_tags():
    """Minutes, hours or days."""
    assert at_most_of(["edge", "at-most=90min"]) == timedelta(minutes=90)
    assert at_most_of(["at-most=6h"]) == timedelta(hours=6)
    assert at_most_of(["edge"]) is None
    with pytest.raises(ValueError, match="write at-most=90min"):
        at_most_of(["at-most=long"])
