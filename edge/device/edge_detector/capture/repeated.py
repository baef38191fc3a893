"""A video file in the place of a camera: at its own rate, and from the start again at its end."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2

from edge_detector.capture.timeline import DEFAULT_FPS, choose_rate


class RepeatedVideo:
    """Has the interface of `cv2.VideoCapture`; a read waits until the next frame is due."""

    def __init__(
        self,
        opener: Callable[[], Any],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        times_s: Sequence[float] = (),
    ) -> None:
        """opener: opens the file at its start. times_s: of its first frames, as far as it says."""
        self._opener, self._clock, self._sleep = opener, clock, sleep
        self._capture = opener()
        self.rate = choose_rate(self._capture.get(cv2.CAP_PROP_FPS), times_s)
        self._period_s = 1 / (self.rate.fps or DEFAULT_FPS)
        self._due: float | None = None

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return bool(self._capture.isOpened())

    def read(self) -> tuple[bool, Any]:
        """The next frame; (False, None) only if the file gives none any more."""
        self._await()
        is_read, image = self._capture.read()
        if not is_read:
            self._capture.release()
            self._capture = self._opener()
            is_read, image = self._capture.read()
        return is_read, image

    def get(self, prop: int, /) -> float:
        if prop == cv2.CAP_PROP_FPS:
            return self.rate.fps or 0.0
        return float(self._capture.get(prop))

    def release(self) -> None:
        self._capture.release()

    def _await(self) -> None:
        """Whoever takes too long gets the next frame at once, and no burst after it."""
        now = self._clock()
        due = self._due if self._due is not None else now
        if due > now:
            self._sleep(due - now)
        self._due = max(due, now) + self._period_s
