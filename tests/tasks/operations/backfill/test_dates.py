"""A backfill of many dates: each ends in a state, and a killed one is finished by the next."""

import ctypes
import os
import signal
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from tasks.operations.backfill import dates as module
from tasks.operations.backfill.dates import State, backfill, days, of_date

MONTH = days(date(2026, 11, 1), date(2026, 11, 30))
PDEATHSIG = 1


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.001)


@dataclass
class Forked:
    """A cheap night in a child process, which ends with the one that started it."""

    home: Path
    day: date

    def __post_init__(self) -> None:
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL)
                if os.getppid() == parent:
                    with (self.home / "runs").open("a") as runs:
                        runs.write(f"{self.day}\n")
                    (self.home / str(self.day)).touch()
                os._exit(0)
            finally:
                os._exit(1)

    def poll(self) -> int | None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def fault(self) -> str:
        return "it failed"

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def fill(home: Path, kill_at: int = 0) -> dict[date, State]:
    """A backfill of the month; killed when so many dates were done."""
    done = 0

    def tell(day: date, state: State, why: str) -> None:
        nonlocal done
        done += state is State.DONE
        if kill_at and done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return backfill(
        MONTH,
        is_finished=lambda day: (home / str(day)).exists(),
        start=lambda day: Forked(home, day),
        at_most=2,
        tell=tell,
    )


def test_thirty_dates_killed_twice_end_complete(tmp_path):
    """None that was finished is run again; at most the two that were at work are begun twice."""
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                fill(tmp_path, kill_at=9)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)

    states = fill(tmp_path)
    assert list(states) == MONTH
    assert set(states.values()) == {State.THERE, State.DONE}
    assert sum(state is State.THERE for state in states.values()) >= 18
    assert all((tmp_path / str(day)).exists() for day in MONTH)
    assert len((tmp_path / "runs").read_text().splitlines()) <= 30 + 2 * 2


class Instant:
    """A run that has ended with a status."""

    def __init__(self, status: int) -> None:
        self.status = status

    def poll(self) -> int:
        return self.status

    def fault(self) -> str:
        return "no such file"

    def end(self) -> None:
        raise AssertionError("it has ended")


def test_failed_date_stops_no_other():
    """It is told with its reason, and a run that was stopped by its window is no finished one."""
    told: list[tuple[date, State, str]] = []
    one, two, three = days(date(2026, 2, 28), date(2026, 3, 2))

    states = backfill(
        [one, two, three],
        is_finished=lambda day: day == three and (three, State.RUNNING, "") in told,
        start=lambda day: Instant(1 if day == one else 0),
        at_most=1,
        tell=lambda *change: told.append(change),
    )

    assert states == {one: State.FAILED, two: State.STOPPED, three: State.DONE}
    assert (one, State.FAILED, "no such file") in told


def test_source_of_a_date_is_written_as_asked():
    """As ISO has it, or in another form; other braces stay."""
    day = date(2026, 3, 1)
    assert of_date("in/{date:%Y/%m}/r-{date}.csv", day) == "in/2026/03/r-2026-03-01.csv"
    assert of_date("SELECT '{a}' WHERE day = '{date:%d.%m.}'", day) == (
        "SELECT '{a}' WHERE day = '01.03.'"
    )
