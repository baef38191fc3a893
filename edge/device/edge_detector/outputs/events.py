"""Detections as JSON Lines: one line for each frame in which something was found.

A line is in the file whole or not at all. It is written by one call, flushed to the operating
system at once; a part of a line that a full disk or a power cut has left is taken back. An
existing file is continued, since a device starts again after a power cut.
"""

import errno
import json
import os
import select
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_detector.capture.frame import Frame
from edge_detector.errors import ConfigError
from edge_detector.inference.boxes import Detection
from edge_detector.loop.sink import Result
from edge_detector.system.disk import disk_error

PATIENCE_S = 1.0  # with a full pipe
_TAIL_BYTES = 1024 * 1024  # longer than any line


class EventsFile:
    """A sink for `--events`."""

    def __init__(self, path: Path) -> None:
        """Continue the file, or begin it.

        Raises:
            ConfigError: it cannot be written, or is a pipe that nobody reads.
            EdgeError: it cannot be written now, as on a full disk.
        """
        self.name = f"--events {path}"
        try:
            # A pipe is not waited for: neither for somebody who reads it, nor for ever for room.
            plain = path.is_file() or not path.exists()
            access = os.O_RDWR if plain else os.O_WRONLY | os.O_NONBLOCK
            self._file = os.open(path, access | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise ConfigError(f"nobody reads {path}: start its reader first") from error
            raise disk_error(f"{self.name} cannot be written", error) from error
        self._regular = stat.S_ISREG(os.fstat(self._file).st_mode)
        if self._regular:
            self._drop_torn_line()

    def wants_picture(self, frame: Frame) -> bool:
        return False

    def write(self, result: Result) -> None:
        """Raises: OSError: the disk is full, or gone."""
        if not result.detections:
            return
        line = json.dumps(_event(result), ensure_ascii=False, separators=(",", ":"))
        data = memoryview(f"{line}\n".encode())
        size = os.fstat(self._file).st_size if self._regular else 0
        try:
            while data:  # a pipe may take a part; a full disk takes one, then refuses
                data = data[self._write_some(data) :]
        except OSError:
            if self._regular:
                os.ftruncate(self._file, size)
            raise

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._file, data)
        except BlockingIOError as error:
            if select.select([], [self._file], [], PATIENCE_S)[1]:
                return 0
            raise OSError(errno.EAGAIN, "its reader takes nothing") from error

    def _drop_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        if tail and not tail.endswith(b"\n"):
            os.ftruncate(self._file, size - len(tail) + tail.rfind(b"\n") + 1)


def _event(result: Result) -> dict[str, Any]:
    # The wall clock may be set while the device runs; monotonic time is turned into it now.
    captured_at = time.time() - (time.monotonic() - result.frame.captured_at)
    frame = result.frame
    return {
        "frame": frame.index,
        **({} if frame.file is None else {"file": frame.file}),
        **({} if frame.source_time_s is None else {"time_s": round(frame.source_time_s, 3)}),
        "captured_at": _utc(captured_at),
        "model": f"{result.manifest.name} {result.manifest.version}",
        "detections": [_detection(detection) for detection in result.detections],
    }


def _detection(detection: Detection) -> dict[str, Any]:
    box = detection.box
    return {
        "label": detection.label,
        "score": round(float(detection.score), 4),
        "box": [round(float(edge), 1) for edge in (box.x0, box.y0, box.x1, box.y1)],
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
