"""Frames from a source, one after the other.

A file or a folder gives every frame, as fast as they are taken, and then ends. A live source gives
its newest frame, and never ends (see `live`).
"""

import logging
import time
from collections.abc import Sequence

import cv2

from edge_detector.capture.frame import Frame, read_image
from edge_detector.capture.health import Patience
from edge_detector.capture.live import LiveCamera
from edge_detector.capture.repeated import RepeatedVideo
from edge_detector.capture.source import (
    Capture,
    FolderCapture,
    Source,
    describe_namesake,
    open_capture,
    probe_times,
)
from edge_detector.capture.timeline import DEFAULT_FPS, Timeline, choose_rate
from edge_detector.errors import CameraError

END_FAILURES = 3  # failed reads in a row that end a file

logger = logging.getLogger(__name__)


def open_camera(source: Source, patience: Patience | None = None) -> "FileCamera | LiveCamera":
    """Open a source.

    A live address that does not answer is no error: it is tried again and again. A device must
    be there at the start, since a wrong number would never come.

    Raises:
        CameraError: a device, a file or a folder cannot be opened, or holds no frame.
    """
    if source.kind == "address":
        return LiveCamera(source, patience)
    capture = open_capture(source)
    if not source.live:
        return FileCamera(source, capture, probe_times(source))
    if not capture.isOpened():
        capture.release()
        if source.repeats:
            raise CameraError(f"{source.shown} holds no video that can be read")
        raise CameraError(
            f"{source.shown} does not open: is it connected, does no other program use it, and"
            " may this user read it (group video)? --source takes another number, a file, a"
            f" folder or an address{describe_namesake(source.target)}"
        )
    if isinstance(capture, RepeatedVideo) and capture.rate.warning is not None:
        logger.warning("%s %s", source.shown, capture.rate.warning)
    return LiveCamera(source, patience, first=capture)


class FileCamera:
    """Every frame of a file or a folder; read by the thread that takes."""

    live = False
    trouble: str | None = None
    reopened = dropped = 0

    def __init__(self, source: Source, capture: Capture, times_s: Sequence[float] = ()) -> None:
        """times_s: when the first frames of a video are shown, as far as it says.

        Raises: CameraError: it holds no frame.
        """
        self.ended = False
        self._source, self._capture = source, capture
        self._index = self._told = 0
        length = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._rate = choose_rate(capture.get(cv2.CAP_PROP_FPS), times_s)
        self.fps = self._rate.fps
        # Most files give their length in seconds: how many frames follows from the rate.
        counted = 0 < length < 2**40 and self._rate.warning is None
        self.length = int(length) if counted else None
        self._timeline = Timeline(self.fps)
        self._first = self._read() if capture.isOpened() else None
        if self._first is None:
            self.close()
            if isinstance(capture, FolderCapture):
                raise CameraError(
                    f"{source.shown} holds no picture that can be read: {capture.why_none()}"
                )
            raise CameraError(f"{source.shown} holds no video that can be read")
        if self._rate.warning is not None:
            logger.warning("%s %s", source.shown, self._rate.warning)

    def take(self, timeout_s: float) -> Frame | None:
        frame, self._first = self._first or self._read(), None
        return frame

    def close(self) -> None:
        self.ended = True
        self._capture.release()

    def _read(self) -> Frame | None:
        for _ in range(END_FAILURES):  # a damaged place in the middle is not the end
            started = time.monotonic()
            image = read_image(self._capture)
            now = time.monotonic()
            self._warn_of_pictures()
            if image is not None:
                read_ms = (now - started) * 1000
                if isinstance(self._capture, FolderCapture):
                    number, file = self._capture.number, self._capture.file
                    return Frame(image, number, now, None, read_ms, file)
                index, self._index = self._index, self._index + 1
                time_s = self._timeline.place(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                return Frame(image, index, now, time_s, read_ms)
        if not self.ended:
            self.ended = True
            self._warn_at_end()
        return None

    def _warn_of_pictures(self) -> None:
        if isinstance(self._capture, FolderCapture):
            oddities = self._capture.oddities[self._told :]
            self._told += len(oddities)
            for oddity in oddities:
                logger.warning("%s", oddity)

    def _warn_at_end(self) -> None:
        if isinstance(self._capture, FolderCapture):
            for warning in self._capture.left_out():
                logger.warning("%s: %s", self._source.shown, warning)
            return
        if self.length and self._index < 0.9 * self.length:  # the stated length is an estimate
            logger.warning(
                "%s ended after %d of %d frames: it may be damaged",
                self._source.shown,
                self._index,
                self.length,
            )
        if self._timeline.mended > self._index // 2 and self._rate.warning is None:
            logger.warning(
                "%s: its frames bear no times; took %.4g frames a second",
                self._source.shown,
                self.fps or DEFAULT_FPS,
            )
        elif 0 < self._timeline.mended <= self._index // 2:
            logger.warning(
                "%s: the times of %d of %d frames run backwards, stand still or leap; they were"
                " taken to follow the frames before",
                self._source.shown,
                self._timeline.mended,
                self._index,
            )
