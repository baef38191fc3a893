"""Runs that are late, stuck, or past their end: what a person is told of. Decides, does no I/O."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tasks.operations.notices.trouble import Trouble
from tasks.orchestration.alive.heartbeat import Beat

LATE_AFTER = timedelta(minutes=5)
WINDOW_MARGIN = timedelta(minutes=15)
STUCK_S = 900.0
IDLE_SHARE = 0.01  # of a core: signs of life and the like take less
TAG = "at-most="  # of a deployment: how long its runs may take, such as at-most=6h
_SPAN = re.compile(r"(\d+)\s*(min|h|d)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class RunAtWork:
    """A run that is running.

    Attributes:
        began: when it began to run.
        ends_at: the end of its window, if it has one.
        at_most: how long it may take, if that is declared.
    """

    id: UUID
    name: str
    began: datetime
    ends_at: datetime | None
    at_most: timedelta | None
    beat: Beat | None


@dataclass(frozen=True)
class RunDue:
    """A run that waits to be begun, and not for the place of another."""

    deployment: str
    due: datetime


@dataclass
class Delays:
    """Remembers when each run's work grew last; `clock` is in seconds and never jumps."""

    _moved: dict[UUID, tuple[float, float, int]] = field(default_factory=dict)

    def look(
        self, running: Iterable[RunAtWork], due: Iterable[RunDue], now: datetime, clock: float
    ) -> list[Trouble]:
        """What is wrong with them at this moment."""
        before, self._moved = self._moved, {}
        found = list(_late(due, now))
        for run in running:
            if trouble := _overdue(run, now):
                found.append(trouble)
            if run.beat is None:
                continue
            since, worked, steps = before.get(run.id, (clock, run.beat.worked, run.beat.steps))
            allowed = worked + IDLE_SHARE * max(clock - since, 60.0)
            if run.beat.steps != steps or run.beat.worked > allowed:
                since, worked, steps = clock, run.beat.worked, run.beat.steps
            self._moved[run.id] = (since, worked, steps)
            if clock - since >= STUCK_S:
                found.append(_stuck(run, clock - since))
        return found


def at_most_of(tags: Collection[str]) -> timedelta | None:
    """How long runs of a deployment may take, by its tags; None: nothing is declared.

    Raises: ValueError: it is no span of time.
    """
    for tag in tags:
        if tag.startswith(TAG):
            span = _SPAN.fullmatch(tag.removeprefix(TAG).strip())
            if span is None:
                raise ValueError(f"the tag {tag!r} is no span: write {TAG}90min or {TAG}6h")
            return timedelta(**{_UNITS[span[2]]: int(span[1])})
    return None


def _late(due: Iterable[RunDue], now: datetime) -> Iterable[Trouble]:
    late: dict[str, list[datetime]] = {}
    for each in due:
        if now - each.due > LATE_AFTER:
            late.setdefault(each.deployment, []).append(each.due)
    for deployment, times in late.items():
        yield Trouble(
            f"run-late:{deployment}",
            f"{deployment} was due at {min(times):%Y-%m-%d %H:%M} UTC and has not begun",
            "no worker takes it: nothing is run until one does",
            "start the worker (deployments/worker), or see what it says",
        )


def _overdue(run: RunAtWork, now: datetime) -> Trouble | None:
    if run.ends_at is not None and now > run.ends_at + WINDOW_MARGIN:
        end = f"its window ended at {run.ends_at:%H:%M} UTC"
    elif run.at_most is not None and now > run.began + run.at_most:
        end = f"it should take {run.at_most} at most"
    else:
        return None
    return Trouble(
        f"run-overdue:{run.id}",
        f"{run.name} has been running since {run.began:%Y-%m-%d %H:%M} UTC, and {end}",
        "it takes the machine during the day, and the next night waits for it",
        f"let it go on, or end it: prefect flow-run cancel {run.id}",
    )


def _stuck(run: RunAtWork, seconds: float) -> Trouble:
    return Trouble(
        f"run-stuck:{run.id}",
        f"{run.name} lives, and has done nothing for {seconds / 60:.0f} minutes",
        "it will hardly end by itself, and the next night waits for it",
        f"see what it waits for, or end it: prefect flow-run cancel {run.id}; the next run goes on",
    )
