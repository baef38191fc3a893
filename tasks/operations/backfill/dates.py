"""One run for each logical date, some at once; each date ends in a state, whatever the others do.

What is finished is asked of what is published, and nothing else is kept: a backfill that was
killed goes on when it is started again.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from enum import StrEnum
from typing import Protocol

ASK_EVERY_S = 0.1
_DATE = re.compile(r"\{date(?::([^{}]*))?\}")


class State(StrEnum):
    """How a date stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    THERE = "there already"
    STOPPED = "stopped at the end of its window"
    FAILED = "failed"


class Run(Protocol):
    """A run of one date, under way."""

    def poll(self) -> int | None:
        """Its exit status; None while it is at work."""

    def fault(self) -> str:
        """What it said when it failed."""

    def end(self) -> None:
        """End it, and wait until it has ended."""


Tell = Callable[[date, State, str], None]


def days(first: date, last: date) -> list[date]:
    """All dates from the first to the last."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def has_date(template: str) -> bool:
    """Whether a source says where the date belongs."""
    return _DATE.search(template) is not None


def of_date(template: str, day: date) -> str:
    """A source of one date: `{date}` becomes 2026-11-22, and `{date:%Y/%m}` 2026/11."""
    return _DATE.sub(lambda found: day.strftime(found[1] or "%Y-%m-%d"), template)


def backfill(
    dates: Sequence[date],
    *,
    is_finished: Callable[[date], bool],
    start: Callable[[date], Run],
    at_most: int,
    tell: Tell,
) -> dict[date, State]:
    """Do the dates in their order, and tell each change; the state of each at the end."""
    states: dict[date, State] = {}
    waiting = list(dates)

    def became(day: date, state: State, why: str = "") -> None:
        states[day] = state
        tell(day, state, why)

    with _all_ended() as running:
        while waiting or running:
            while waiting and len(running) < at_most:
                day = waiting.pop(0)
                if is_finished(day):
                    became(day, State.THERE)
                    continue
                running[day] = start(day)
                became(day, State.RUNNING)
            for day, run in list(running.items()):
                if (status := run.poll()) is None:
                    continue
                del running[day]
                if status:
                    became(day, State.FAILED, run.fault())
                else:
                    became(day, State.DONE if is_finished(day) else State.STOPPED)
            if running:
                time.sleep(ASK_EVERY_S)
    return states


@contextmanager
def _all_ended() -> Iterator[dict[date, Run]]:
    """Runs that are ended if the block does not end well."""
    running: dict[date, Run] = {}
    try:
        yield running
    finally:
        for run in running.values():
            run.end()
