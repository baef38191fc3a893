"""Where frames come from: a camera's index, a file, a folder of pictures, or an address.

`parse_source` says what a text means; `open_capture` opens it. What it opens has the interface
of `cv2.VideoCapture`, also for a folder, so that everything after it knows one kind of thing.
A password in an address is never part of what is shown.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import cv2

from edge_detector.capture.repeated import RepeatedVideo
from edge_detector.contract.picture_files import (
    CONVERT,
    OTHER_PICTURES,
    PICTURES,
    describe_contents,
)
from edge_detector.contract.pictures import Image, PictureError, decode_picture
from edge_detector.errors import CameraError
from edge_detector.system.address import hide_secrets

Kind = Literal["device", "file", "folder", "address"]

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "udp", "tcp", "srt")
OPEN_TIMEOUT_S = 10.0  # of an address
READ_TIMEOUT_S = 5.0
PROBED_FRAMES = 32  # of a file, whose times tell its rate

_LAST_INDEX = 2**31 - 1  # OpenCV takes a C int


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: N802  # OpenCV's name

    def read(self) -> tuple[bool, Any]:
        """(True, picture), or (False, None): nothing, or the end."""

    def get(self, prop: int, /) -> float: ...

    def release(self) -> None: ...


@dataclass(frozen=True)
class Source:
    """What is to be opened, and how it is called in messages."""

    kind: Kind
    target: str
    shown: str  # without user, password and query
    repeats: bool = False  # a video file, in the place of a camera

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace, and go on for ever."""
        return self.repeats or self.kind in ("device", "address")


def parse_source(text: str, repeat: bool = False) -> Source:
    """What a text names.

    repeat: it is a video file, to be shown in the place of a camera; another source stays as it
        is, since it repeats nothing.

    Raises:
        CameraError: there is no such file or folder, or no such kind of address.
    """
    source = _parse(text)
    is_video = source.kind == "file" and Path(source.target).suffix.lower() not in PICTURES
    return replace(source, repeats=True) if repeat and is_video else source


def _parse(text: str) -> Source:
    if "://" in text:
        return _parse_address(text)
    if re.fullmatch(r"\d+", text, re.ASCII):
        number = text.lstrip("0") or "0"
        if len(number) > len(str(_LAST_INDEX)) or int(number) > _LAST_INDEX:
            raise CameraError(
                f"no camera has the number {text[:20]}: give a camera's number, as"
                f" 0{describe_namesake(text)}"
            )
        return Source("device", number, f"camera {number}")
    try:
        source = _parse_path(text)
    except (OSError, RuntimeError) as error:  # no access, too long a name, no such ~user
        reason = error.strerror if isinstance(error, OSError) else error
        raise CameraError(f"source {_shorten(text)} cannot be looked at: {reason}") from error
    if source is None:
        raise CameraError(
            f"source {_shorten(text)} is not there: give a camera's number, a video file, a"
            " folder of pictures, or an address such as rtsp://host/stream"
        )
    return source


def describe_namesake(number: str) -> str:
    """How a file or folder is named whose name is a number, for the end of a message."""
    path = Path(number)
    try:
        kind = "folder" if path.is_dir() else "file" if path.is_file() else ""
    except OSError:  # too long a name
        kind = ""
    return f"; for the {kind} of that name write ./{number}" if kind else ""


def _parse_path(text: str) -> Source | None:
    path = Path(text).expanduser()
    if not text.strip() or not path.exists():
        return None
    if path.is_dir():
        return Source("folder", str(path), f"folder {path}")
    if path.is_char_device():
        return Source("device", str(path), f"camera {path}")
    return Source("file", str(path), f"file {path}")


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:200]}…")


def _parse_address(text: str) -> Source:
    shown = hide_secrets(text)
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:  # which may say the password
        raise CameraError(f"source {shown} is no address: write rtsp://host/stream") from None
    if parts.scheme.lower() not in SCHEMES:
        raise CameraError(
            f"source {shown}: no frames come by {parts.scheme!r}; one of {', '.join(SCHEMES)}"
        )
    if not host and parts.scheme.lower() != "udp":
        raise CameraError(f"source {shown} names no host: write {parts.scheme}://host/path")
    return Source("address", text, shown)


def open_capture(source: Source) -> Capture:
    """Open a source; whether it has worked, `isOpened` says.

    Raises:
        CameraError: this user may not read the folder, or it is gone.
    """
    if source.kind == "device":
        target = int(source.target) if source.target.isdigit() else source.target
        return cv2.VideoCapture(target)
    if source.kind == "folder":
        try:
            return FolderCapture(sorted(Path(source.target).iterdir()))
        except OSError as error:
            raise CameraError(f"{source.shown} cannot be read: {error.strerror}") from error
    if Path(source.target).suffix.lower() in PICTURES and source.kind == "file":
        return FolderCapture([Path(source.target)])
    if source.repeats:
        times_s = probe_times(replace(source, repeats=False))
        return RepeatedVideo(lambda: cv2.VideoCapture(source.target), times_s=times_s)
    limits = []
    if source.kind == "address":
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            int(OPEN_TIMEOUT_S * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            int(READ_TIMEOUT_S * 1000),
        ]
    capture = cv2.VideoCapture(source.target, cv2.CAP_FFMPEG, limits)
    if capture.isOpened() or source.kind == "address":
        return capture
    return cv2.VideoCapture(source.target)  # an OpenCV that reads files by other means


def probe_times(source: Source, count: int = PROBED_FRAMES) -> list[float]:
    """When the first frames of a video file are shown, in seconds, as far as it says."""
    path = Path(source.target)
    if source.kind != "file" or path.suffix.lower() in PICTURES or not path.is_file():
        return []  # a pipe is read but once
    times: list[float] = []
    capture = open_capture(source)
    try:
        while len(times) < count and isinstance(capture, cv2.VideoCapture) and capture.grab():
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    except Exception:  # OpenCV passes on whatever a decoder throws
        return times
    finally:
        capture.release()
    return times


class FolderCapture:
    """The pictures of a folder by name, as if they were a video. What is no picture is skipped.

    A picture that cannot be read is skipped as well, and keeps its number: those of the others
    are the same, whether it can be read or not.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._all = paths
        self._paths = [path for path in paths if path.suffix.lower() in PICTURES]
        self._next = 0
        self.unreadable: list[Path] = []
        self.oddities: list[str] = []  # each once, for a person to look at
        self._notes: Counter[str] = Counter()

    @property
    def number(self) -> int:
        """Of the picture read last, counted from 0 in the order of names."""
        return self._next - 1

    @property
    def file(self) -> str:
        """The name of the picture read last."""
        return self._paths[self._next - 1].name

    def left_out(self) -> list[str]:
        """What was not even tried, and how many pictures are odd, in words."""
        others = [path for path in self._all if path.suffix.lower() in OTHER_PICTURES]
        warnings = []
        if others:
            warnings.append(
                f"{len(others)} pictures of kinds that are not read here were left out, as"
                f" {others[0].name}; {CONVERT}"
            )
        if below := [path.name for path in self._all if path.is_dir() and _has_pictures(path)]:
            warnings.append(
                f"the pictures in folders below it were left out: {', '.join(below[:3])}"
            )
        odd = self._notes.items()
        return [*warnings, *(f"{count} pictures: {note}" for note, count in odd if count > 1)]

    def why_none(self) -> str:
        """Why there is no picture, for the end of a message."""
        if self.unreadable:
            return f"none of {len(self.unreadable)} is whole"
        return "; ".join(self.left_out()) or describe_contents(self._all, PICTURES)

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return bool(self._paths)

    def read(self) -> tuple[bool, Image | None]:
        while self._next < len(self._paths):
            path = self._paths[self._next]
            self._next += 1
            try:  # not cv2.imread, which takes no names outside the code page on Windows
                # Whoever opens a pipe waits for its writer, and no signal is looked at meanwhile.
                picture = decode_picture(path.read_bytes() if path.is_file() else b"")
            except (OSError, PictureError) as error:
                self.unreadable.append(path)
                reason = f": {error}" if isinstance(error, PictureError) and str(error) else ""
                self.oddities.append(f"{path} cannot be read as a picture and was left out{reason}")
                continue
            self._note(path, picture.notes)
            return True, picture.image
        return False, None

    def _note(self, path: Path, notes: Iterable[str]) -> None:
        """Of thousands of pictures that are odd alike, the first is named and the others count."""
        self.oddities += [f"{path}: {note}" for note in notes if note not in self._notes]
        self._notes.update(notes)

    def get(self, prop: int, /) -> float:
        return float(len(self._paths)) if prop == cv2.CAP_PROP_FRAME_COUNT else 0.0

    def release(self) -> None:
        self._next = len(self._paths)


def _has_pictures(folder: Path) -> bool:
    try:
        return any(path.suffix.lower() in PICTURES for path in folder.iterdir())
    except OSError:  # not for this user
        return False
