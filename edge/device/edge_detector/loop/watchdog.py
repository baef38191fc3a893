"""Notices a loop that no longer turns, and ends the process so that it is started anew.

A call into the interpreter that never comes back cannot be ended from within. The loop marks
each stage that it enters; a mark that grows too old means that the loop hangs there. Waiting for
a camera is no hanging: the loop turns while it waits.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

EXIT_STUCK = 70  # EX_SOFTWARE of sysexits.h
FAREWELL_S = 2.0  # that what is done at last may take

logger = logging.getLogger(__name__)


class Heartbeat:
    """Where the loop is, and since when. The loop marks, others look."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mark: tuple[str, float] | None = None  # one value, so that it is never half new

    def enter(self, stage: str) -> None:
        """The loop begins with something that must end."""
        self._mark = (stage, self._clock())

    def rest(self) -> None:
        """The loop has ended."""
        self._mark = None

    def overdue(self, limit_s: float) -> tuple[str, float] | None:
        """The stage in which the loop has been longer than the limit, and for how many seconds."""
        mark = self._mark
        if mark is None:
            return None
        stage, since = mark
        age = self._clock() - since
        return (stage, age) if age > limit_s else None


class Watchdog:
    """A thread that checks a heartbeat, and tells systemd each time that the loop turns."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        limit_s: float,
        on_alive: Callable[[], None] = lambda: None,
        on_stuck: Callable[[str], None] = lambda _stage: None,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        """
        Args:
            limit_s: how long a stage may take.
            on_alive: called a few times within the limit, as long as the loop turns.
            on_stuck: told the stage that hangs, before the end; given `FAREWELL_S`.
            end: ends the process, whatever its threads do.
        """
        self._heartbeat, self._limit_s = heartbeat, limit_s
        self._on_alive, self._on_stuck, self._end = on_alive, on_stuck, end
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> bool:
        """Check once; False if the process is to end."""
        overdue = self._heartbeat.overdue(self._limit_s)
        if overdue is None:
            self._on_alive()
            return True
        stage, age = overdue
        logger.critical(
            "%s has not come back for %.0f s: ending with status %d, to be started anew",
            stage,
            age,
            EXIT_STUCK,
        )
        # What it writes may hang as well: on the same disk, for one.
        farewell = threading.Thread(target=self._on_stuck, args=(stage,), daemon=True)
        farewell.start()
        farewell.join(FAREWELL_S)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._end(EXIT_STUCK)
        return False

    def _watch(self) -> None:
        while not self._stop.wait(min(1.0, self._limit_s / 4)):
            if not self.check():
                return
