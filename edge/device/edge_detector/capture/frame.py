"""A picture with its time, and what gives one after the other."""

from dataclasses import dataclass
from typing import Any, Protocol

from edge_detector.capture.source import Capture
from edge_detector.contract.pictures import Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A picture, and when it came."""

    image: Image
    index: int  # of the frame in its source, from 0; live, those that were dropped count too
    captured_at: float  # monotonic seconds, when it had been read
    source_time_s: float | None  # when a video file shows it; its first frame, at 0
    read_ms: float  # what reading took; live, with the wait for it
    file: str | None = None  # of a folder: the picture's name there


class Camera(Protocol):
    """What the loop takes frames from. One thread takes."""

    live: bool
    fps: float | None  # frames per second as the source states them
    length: int | None  # frames of a file or folder, as far as it says
    ended: bool
    trouble: str | None  # why no frames come; None if they do
    reopened: int
    dropped: int

    def take(self, timeout_s: float) -> Frame | None:
        """The next frame; None if none has come in time, or none will."""

    def close(self) -> None: ...


def read_image(capture: Capture) -> Any:
    """What a capture gives now; None for nothing or a failure, however it fails."""
    try:
        good, image = capture.read()
    except Exception:  # OpenCV passes on whatever a driver throws
        return None
    return image if good else None
