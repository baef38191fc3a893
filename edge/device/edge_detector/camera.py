"""Frames from a source, one after the other.

A file or a folder gives every frame, as fast as they are taken, and then ends. A live source gives
its newest frame, and never ends (see `live`).
"""

import logging
import time

import cv2

from edge_detector.errors import CameraError
from edge_detector.frame import Camera, Frame, read_image
from edge_detector.health import Patience
from edge_detector.live import LiveCamera
from edge_detector.source import Capture, FolderCapture, Source, open_capture

__all__ = ["Camera", "FileCamera", "Frame", "LiveCamera", "open_camera"]

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
        return FileCamera(source, capture)
    if not capture.isOpened():
        capture.release()
        raise CameraError(
            f"{source.shown} does not open: is it connected, does no other program use it, and"
            " may this user read it (group video)? --source takes another number, a file, a"
            " folder or an address"
        )
    return LiveCamera(source, patience, first=capture)


class FileCamera:
    """Every frame of a file or a folder; read by whoever takes."""

    live = False
    trouble: str | None = None
    reopened = dropped = 0

    def __init__(self, source: Source, capture: Capture) -> None:
        """Raises: CameraError: it holds no frame."""
        self.ended = False
        self._source, self._capture, self._index = source, capture, 0
        fps, length = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = fps if 0 < fps <= 1000 else None
        self.length = int(length) if 0 < length < 2**40 else None
        self._first = self._read() if capture.isOpened() else None
        if self._first is None:
            self.close()
            wanted = "picture" if isinstance(capture, FolderCapture) else "video"
            raise CameraError(f"{source.shown} holds no {wanted} that can be read")

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
            if image is not None:
                index, self._index = self._index, self._index + 1
                position_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                return Frame(image, index, now, position_s, (now - started) * 1000)
        if not self.ended:
            self.ended = True
            self._say_what_is_missing()
        return None

    def _say_what_is_missing(self) -> None:
        if isinstance(self._capture, FolderCapture):
            for path in self._capture.unreadable:
                logger.warning("%s cannot be read as a picture and was left out", path)
        elif self.length and self._index < 0.9 * self.length:  # the stated length is an estimate
            logger.warning(
                "%s ended after %d of %d frames: it may be damaged",
                *(self._source.shown, self._index, self.length),
            )
