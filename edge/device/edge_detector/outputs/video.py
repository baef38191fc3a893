"""The annotated frames as a video file.

- It plays as long as what it shows: by the times of a file's frames, or by when those of a camera
  came. At the file's rate that is one for one; where frames come at uneven times, they are repeated
  or left out. Live, a gap longer than `LONGEST_GAP_S` is cut. Pictures of a folder have no times,
  and are written one for one.
- OpenCV says nothing when a disk is full. So the free space is looked at, and the video is closed
  while there is still room for the table without which it could not be played.
"""

import errno
import logging
import os
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from edge_detector.capture.frame import Frame
from edge_detector.capture.timeline import DEFAULT_FPS
from edge_detector.contract.pictures import Image
from edge_detector.errors import ConfigError
from edge_detector.loop.sink import Result
from edge_detector.system.disk import disk_error

CODECS: Mapping[str, str] = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
LONGEST_GAP_S = 1.0
SPARE_BYTES = 32 * 1024**2  # left free on the disk
LOOK_EVERY_S = 1.0

logger = logging.getLogger(__name__)


def free_bytes(path: Path) -> int:
    """What is free on the disk of a file."""
    return shutil.disk_usage(path).free


class VideoFile:
    """A sink for `--output`."""

    def __init__(self, path: Path, fps: float | None, live: bool) -> None:
        """The file begins with the first frame, whose size all others get.

        fps: frames per second of the source, where known.

        Raises:
            ConfigError: no such kind of video, no plain file, or it cannot be written.
            EdgeError: it cannot be written now, as on a full disk.
        """
        self.name = f"--output {path}"
        self._path, self._fps, self._live = path, fps or DEFAULT_FPS, live
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)  # width and height
        self._origin = 0.0  # when the video begins
        self._written = self._left_out = 0
        self._look_at = 0.0
        self._made = False  # the file, by us
        if path.suffix.lower() not in CODECS:
            raise ConfigError(f"{self.name} is no video: end its name in {', '.join(CODECS)}")
        try:
            self._made = not path.exists()
            _touch(path)
            if free_bytes(path) < SPARE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.close()
            raise disk_error(f"{self.name} cannot be written", error) from error

    def wants_picture(self, frame: Frame) -> bool:
        return True

    def write(self, result: Result) -> None:
        """Raises: OSError: the disk is full, or takes no video."""
        frame = result.frame
        if self._writer is None:
            self._writer = self._open(frame)
        copies = self._copies(frame)
        self._left_out += copies == 0
        image = fit(frame.image, self._size)
        for _ in range(copies):
            self._check_space()
            self._writer.write(image)
            self._written += 1

    def _check_space(self) -> None:
        """Raises: OSError: the disk is full."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            if free_bytes(self._path) < SPARE_BYTES:
                raise OSError(errno.ENOSPC, f"the disk is full after {self._written} frames")

    def close(self) -> None:
        """Write the table at the end of the file: from now on it can be played."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            if self._left_out and not self._live:
                logger.info(
                    "%s: left out %d frames that came faster than %.4g a second, its rate",
                    self.name,
                    self._left_out,
                    self._fps,
                )
        elif self._made and self._written == 0:
            with suppress(OSError):  # it may not have come so far
                self._path.unlink()  # a video without a frame is none

    def _open(self, frame: Frame) -> cv2.VideoWriter:
        height, width = frame.image.shape[:2]
        self._size, self._origin = (width, height), self._shown_at(frame) or 0.0
        codec = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
        writer = cv2.VideoWriter(str(self._path), codec, self._fps, self._size)
        if not writer.isOpened():
            raise OSError(errno.EIO, f"no video of {width}x{height} can be written there")
        return writer

    def _copies(self, frame: Frame) -> int:
        """How often a frame is written, so that the video is as long as what it shows."""
        at = self._shown_at(frame)
        if at is None:
            return 1
        due = int((at - self._origin) * self._fps + 0.5) + 1 - self._written
        if not self._live:
            return max(0, due)
        most = max(1, int(LONGEST_GAP_S * self._fps))
        if due > most:
            self._origin += (due - most) / self._fps
        return max(0, min(due, most))

    def _shown_at(self, frame: Frame) -> float | None:
        """The time of a frame in seconds; None: one follows the other."""
        return frame.captured_at if self._live else frame.source_time_s


def _touch(path: Path) -> None:
    """Make a file if there is none; what is there is kept until the first frame.

    Raises:
        OSError: it cannot be written, or is no plain file. A pipe is not waited for.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a pipe without a reader
            raise OSError(errno.EINVAL, "it is no plain file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
    finally:
        os.close(handle)


def fit(image: Image, size: tuple[int, int]) -> Image:
    """A picture in the middle of a black one of this width and height; itself if it fits."""
    width, height = size
    if image.shape[1::-1] == size:
        return image
    scale, x, y = placed(image, size)
    inner = (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale)))
    canvas = np.zeros((height, width, 3), np.uint8)
    shrunk = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    canvas[y : y + inner[1], x : x + inner[0]] = shrunk
    return canvas


def placed(image: Image, size: tuple[int, int]) -> tuple[float, int, int]:
    """How `fit` scales a picture, and where its upper left corner comes to lie: scale, x, y."""
    width, height = size
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_width = max(1, int(image.shape[1] * scale))
    inner_height = max(1, int(image.shape[0] * scale))
    return scale, (width - inner_width) // 2, (height - inner_height) // 2
