"""Which runs count as dead: seen again and again on a clock of the test's own."""

from dataclasses import replace
from uuid import uuid4

import pytest

from services.storage.process import Process
from tasks.operations.watch.verdicts import RunSeen, Verdicts
from tasks.orchestration.alive.heartbeat import Beat

BOUND_S = 120  # what is promised, from a run's death to its being declared dead
LOOK_S = 3
PROCESS = Process("worker-1", "machine", 4711, "1")
RUN = RunSeen(uuid4(), "night", "RUNNING", uuid4(), True, Beat(PROCESS, 1), is_gone=False)


def beats(run: RunSeen, number: int) -> RunSeen:
    return replace(run, beat=Beat(PROCESS, number))


def seconds_until_dead(verdicts: Verdicts, run: RunSeen, begin: int = 0) -> int | None:
    """Looking every few seconds, from when on the run is dead; None: not within an hour."""
    for second in range(begin, begin + 3600, LOOK_S):
        if verdicts.look([run], second):
            return second - begin
    return None


def test_run_whose_process_is_gone_is_dead_after_a_moment():
    """Its worker, if it lives, may say first how it ended."""
    verdicts = Verdicts()
    assert verdicts.look([RUN], 0) == {}
    gone = replace(RUN, is_gone=True)
    assert verdicts.look([gone], 3) == {}
    assert seconds_until_dead(verdicts, gone, 6) in range(5, 15)
    (reason,) = verdicts.look([gone], 21).values()
    assert reason == "its process 4711 on worker-1 is gone without a word"


def test_run_that_is_seen_to_live_is_never_dead_however_silent():
    """It may hold the interpreter for minutes, or the machine may be overloaded."""
    assert seconds_until_dead(Verdicts(), RUN) is None


def test_run_elsewhere_is_dead_when_it_is_silent():
    """Nobody can see its process: its signs of life count, and nothing else."""
    verdicts, elsewhere = Verdicts(), replace(RUN, is_gone=None)
    for second in range(0, 600, LOOK_S):
        assert verdicts.look([beats(elsewhere, second // 10)], second) == {}
    silent = beats(elsewhere, 59)
    assert seconds_until_dead(verdicts, silent, 600) in range(45, BOUND_S - 20)


@pytest.mark.parametrize("is_gone", [None, True])
def test_run_that_nobody_begins_is_dead(is_gone):
    """Its worker was killed after it had taken the run; signs of an earlier attempt may be left."""
    pending = replace(RUN, state="PENDING", beat=None, is_gone=None)
    if is_gone:
        pending = replace(pending, beat=Beat(PROCESS, 9), is_gone=True)
    assert seconds_until_dead(Verdicts(), pending) in range(60, BOUND_S - 10)


def test_run_that_is_slow_to_begin_is_not_dead():
    """Its process lives, and imports."""
    assert seconds_until_dead(Verdicts(), replace(RUN, state="PENDING")) is None


def test_runs_of_others_are_left_alone():
    """They give no sign of life that we know."""
    others = replace(RUN, is_ours=False, beat=None, is_gone=None)
    assert seconds_until_dead(Verdicts(), others) is None
    assert seconds_until_dead(Verdicts(), replace(others, state="PENDING")) is None


def test_time_in_which_the_server_was_away_does_not_count():
    """And with it every sign of life."""
    verdicts, elsewhere = Verdicts(), replace(RUN, is_gone=None)
    assert verdicts.look([elsewhere], 0) == {}
    assert verdicts.look([elsewhere], 1000, was_away=True) == {}
    assert seconds_until_dead(verdicts, elsewhere, 1003) in range(45, BOUND_S - 20)


def test_new_attempt_of_a_run_begins_anew():
    """The same run asked for again has a new state, and its time."""
    verdicts = Verdicts()
    pending = replace(RUN, state="PENDING", beat=None, is_gone=None)
    assert seconds_until_dead(verdicts, pending) is not None
    again = replace(pending, state_id=uuid4())
    assert verdicts.look([again], 200) == {}


def test_watcher_that_is_slow_still_sees_what_is_dead():
    """On an overloaded machine half a minute passes from look to look."""
    verdicts = Verdicts()
    pending = replace(RUN, state="PENDING", beat=None, is_gone=None)
    assert [bool(verdicts.look([pending], now)) for now in (0, 30, 60, 90)] == [0, 0, 0, 1]
