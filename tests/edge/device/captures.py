"""Cameras that do as they are told, on the interface of `cv2.VideoCapture`, and their time."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from edge_detector.contract.pictures import Image

Step = Any  # a picture, None, an error to raise, or what makes one of these

FRAME_S = 1 / 30


def picture(seed: int = 0, height: int = 48, width: int = 64) -> Image:
    """Noise, as of a camera: another one for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def noise() -> Iterator[Image]:
    """Pictures that all differ, without end."""
    seed = 0
    while True:
        seed += 1
        yield picture(seed)


class FakeTime:
    """A clock that moves when somebody waits, or reads a frame."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        time.sleep(0.0005)  # others want to run too


class FakeCapture:
    """Gives what its steps say, one for each read, and then nothing."""

    def __init__(
        self,
        steps: Iterator[Step],
        clock: FakeTime | None = None,
        opened: bool = True,
        length: int = 0,
    ) -> None:
        self._steps, self._clock, self._opened, self._length = steps, clock, opened, length
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return self._opened and not self.released

    def read(self) -> tuple[bool, Any]:
        if self._clock is not None:
            self._clock.now += FRAME_S
            time.sleep(0.0005)
        step = next(self._steps, None)
        if isinstance(step, BaseException):
            raise step
        if callable(step):
            step = step()
        return step is not None, step

    def get(self, prop: int, /) -> float:
        return float(self._length) if prop == cv2.CAP_PROP_FRAME_COUNT else 0.0

    def release(self) -> None:
        self.released = True


class FakeCamera:
    """Frames for the loop, as a file or a live source would give them."""

    trouble: str | None = None
    reopened = dropped = 0

    def __init__(self, images: list[Image], live: bool = False, every_s: float = 0.0) -> None:
        from edge_detector.capture.frame import Frame

        self.live, self.ended, self.fps, self.length = live, False, None, len(images)
        self._make = lambda index: Frame(images[index], index, time.monotonic(), None, 0.1)
        self._next, self._every_s, self._due = 0, every_s, time.monotonic()
        self.closed = threading.Event()

    def take(self, timeout_s: float) -> Any:
        if self._every_s:
            self._due += self._every_s
            time.sleep(max(0.0, self._due - time.monotonic()))
        if self._next == self.length:
            self.ended = True
            return None
        self._next += 1
        return self._make(self._next - 1)

    def close(self) -> None:
        self.closed.set()


def wait_for(condition: Callable[[], object], timeout_s: float = 20.0) -> bool:
    """Whether something has come true in time; the time is real."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False
