"""A live source: its newest frame, from a stream that is kept alive.

It is read in a thread of its own. What was not taken in time is dropped and counted. It never
ends: a stream that is dead, frozen, blocked or full of garbage is noticed (see `health`) and
opened anew, after pauses that grow, for ever. A call that never returns cannot be ended: its
thread is left behind, and another one opens the source. When a few hang so, the next one waits
until one of them returns.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import cv2

from edge_detector.capture.frame import Frame, read_image
from edge_detector.capture.health import Backoff, Patience, StreamHealth
from edge_detector.capture.source import Capture, Source, open_capture

MOST_HANGING = 3  # threads left behind in calls that do not return

logger = logging.getLogger(__name__)


class LiveCamera:
    """The newest frame of a stream, kept alive by a thread of its own."""

    live = True
    ended = False
    length: int | None = None

    def __init__(
        self,
        source: Source,
        patience: Patience | None = None,
        *,
        first: Capture | None = None,
        opener: Callable[[Source], Capture] = open_capture,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """Start reading.

        Args:
            first: the source, opened already.
            pause: waits for some seconds; by default until then or the end.
        """
        self.fps: float | None = None
        self.trouble: str | None = "it is being opened"
        self.reopened = self.dropped = 0
        self.on_event: Callable[[str], None] = lambda _name: None  # "reopened" and "dropped"
        self._source, self._patience = source, patience or Patience()
        self._opener, self._clock = opener, clock
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait
        self._health, self._backoff = StreamHealth(self._patience), Backoff(self._patience)
        self._fresh = threading.Condition()
        self._newest: Frame | None = None
        self._count = 0
        self._opened = self._taken = False  # ever
        self._call_since: float | None = None  # of the call that the reader is in
        self._readers: list[threading.Thread] = []  # the last one counts, others hang
        self._reported: str | None = None
        self._start_reader(first)

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame, unless it was taken already; waits for the next one."""
        with self._fresh:
            if self._newest is None:
                self._fresh.wait(timeout_s)
            frame, self._newest = self._newest, None
            self._taken = True
        if frame is None:
            self._replace_blocked_reader()
        return frame

    def close(self) -> None:
        """End the reader; one that hangs is left behind."""
        self._stop.set()
        self._readers[-1].join(timeout=1.0)

    @property
    def hanging(self) -> int:
        """Threads that are in calls which do not return."""
        return sum(reader.is_alive() for reader in self._readers[:-1])

    def _start_reader(self, first: Capture | None = None) -> None:
        self._call_since = None
        reader = threading.Thread(target=self._keep_reading, args=(first,), name="camera")
        reader.daemon = True  # it may hang
        self._readers = [old for old in self._readers if old.is_alive()] + [reader]
        reader.start()

    def _replace_blocked_reader(self) -> None:
        since = self._call_since
        if since is None or self._clock() - since < self._patience.blocked_s:
            return
        if self.hanging < MOST_HANGING and not self._stop.is_set():
            self._report(f"it has not answered for {self._patience.blocked_s:g} s")
            self._start_reader()

    def _keep_reading(self, capture: Capture | None) -> None:
        while self._current():
            if capture is None:
                capture = self._timed(lambda: self._opener(self._source))
            fault = "it does not answer"
            if capture is not None:
                if self._current() and capture.isOpened():
                    fault = self._drain(capture)
                capture.release()
                capture = None
            if not self._current():
                return
            self._report(fault)
            self._pause(self._backoff.next_s())

    def _drain(self, capture: Capture) -> str:
        """Read until something is wrong; say what."""
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 240 else None
        self._health.opened(self._clock())
        if self._opened:
            self._count_event("reopened")
        self._opened = True
        while self._current():
            started = self._clock()
            image = self._timed(lambda: read_image(capture))
            now = self._clock()
            if not self._current():
                break
            verdict = self._health.see(image, now)
            self._count += image is not None
            if verdict.usable:
                self._deliver(Frame(image, self._count - 1, now, None, (now - started) * 1000))
            if verdict.steady:
                self._backoff.reset()
            if verdict.fault is not None:
                return verdict.fault
            if image is None:
                self._pause(self._patience.retry_s)
        return ""

    def _deliver(self, frame: Frame) -> None:
        with self._fresh:
            missed, self._newest = self._newest, frame
            self._fresh.notify()
        if missed is not None and self._taken:
            self._count_event("dropped")
        if self.trouble is not None:
            self.trouble = None
            if self._reported is not None:
                self._reported = None
                logger.info("%s gives pictures again", self._source.shown)

    def _timed(self, call: Callable[[], Any]) -> Any:
        """Do what may hang, or fail in any way that a driver can."""
        self._call_since = self._clock()
        try:
            return call()
        except Exception as error:
            logger.debug("%s: %r", self._source.kind, type(error))
            return None
        finally:
            if self._current():
                self._call_since = None

    def _current(self) -> bool:
        """Whether this thread is the one that reads."""
        return self._readers[-1] is threading.current_thread() and not self._stop.is_set()

    def _count_event(self, name: str) -> None:
        if name == "dropped":
            self.dropped += 1
        else:
            self.reopened += 1
        self.on_event(name)

    def _report(self, fault: str) -> None:
        """Say what is wrong, once until something else is."""
        self.trouble = fault
        if fault != self._reported:
            self._reported = fault
            logger.warning("%s: %s; trying again until it does", self._source.shown, fault)
