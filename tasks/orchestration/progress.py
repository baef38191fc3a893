"""How far a run is: a progress artifact in the Prefect UI, a bar or lines on the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

ARTIFACT_EVERY_S = 2.0
LINE_EVERY_S = 15.0  # where standard error is no terminal

_units_done = 0


def units_done() -> int:
    """What all of this process' progresses have advanced by: work goes on while it grows."""
    return _units_done


class Rate(ProgressColumn):
    """Units per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else f"- {self._unit}/s")


class RunProgress:
    """Call `advance` as the work gets done, from one thread, inside a flow run."""

    def __init__(self, key: str, what: str, unit: str, total: int, done: int = 0) -> None:
        self._what, self._unit, self._total, self.done = what, unit, total, done
        self._started = self._line_at = time.monotonic()
        self._artifact_at = 0.0
        self._first = done
        self._artifact = cast(
            UUID, create_progress_artifact(self._percent(), key=key, description=what)
        )
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            Rate(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task = self._bar.add_task(what, total=total, completed=done)

    def __enter__(self) -> "RunProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()
        self._update_artifact()

    def advance(self, units: int) -> None:
        global _units_done
        _units_done += units
        self.done += units
        self._bar.advance(self._task, units)
        now = time.monotonic()
        if now - self._artifact_at >= ARTIFACT_EVERY_S:
            self._artifact_at = now
            self._update_artifact()
        if not self._console.is_terminal and now - self._line_at >= LINE_EVERY_S:
            self._line_at = now
            self._console.print(self._line(now), highlight=False, soft_wrap=True)

    def _line(self, now: float) -> str:
        rate = (self.done - self._first) / (now - self._started)
        left = (self._total - self.done) / rate if rate else float("inf")
        return (
            f"{self._what}: {self.done:,} of {self._total:,} {self._unit},"
            f" {rate:,.0f} {self._unit}/s, {left:,.0f} s left"
        )

    def _percent(self) -> float:
        return 100.0 * self.done / self._total if self._total else 100.0

    def _update_artifact(self) -> None:
        with suppress(httpx.HTTPError, PrefectException):  # no work is lost for want of a picture
            update_progress_artifact(self._artifact, self._percent(), self._what)


@contextmanager
def resumed_progress(key: str, what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress of work that goes on where it stopped, which its first call tells.

    Yields a function to be called with the units that are done and all there are.
    """
    with ExitStack() as stack:
        bars: list[RunProgress] = []

        def reach(done: int, total: int) -> None:
            if bars:
                bars[0].advance(done - bars[0].done)
            else:
                bars.append(stack.enter_context(RunProgress(key, what, unit, total, done)))

        yield reach
