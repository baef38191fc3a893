"""Picture files, as OpenCV reads them, and the files beside them."""

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edge_detector.contract.picture_files import OTHER_PICTURES, describe_contents
from edge_detector.contract.pictures import Picture, PictureError, decode_picture

from edge.release.datasets.raw_image import format_names
from edge.release.errors import DatasetError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
_ORIENTATION = 0x0112  # the tag of EXIF
_AS_SHOT = 1
_EXIF_BYTES = 64 * 1024  # of a JPEG, in which its EXIF data begin

Image = npt.NDArray[np.uint8]  # (height, width, 3), BGR


def image_files(folder: Path) -> list[Path]:
    """All pictures in and below a folder, sorted by path; hidden files are none.

    Nor are folders and pipes with such names: opening a pipe would wait for its writer.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and not (path.is_dir() or path.is_fifo())
    )


def other_pictures(folder: Path) -> list[Path]:
    """Pictures in and below a folder of kinds that are not read here, sorted by path."""
    return [path for path in _visible(folder) if path.suffix.lower() in OTHER_PICTURES - SUFFIXES]


def what_is_there(folder: Path) -> str:
    """What a folder holds instead of pictures, for the end of a message."""
    return describe_contents(_visible(folder), SUFFIXES)


def _visible(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    )


def is_turned(content: bytes) -> bool:
    """Whether a JPEG file says that it is to be shown otherwise than it was shot (EXIF)."""
    start = content.find(b"Exif\0\0", 0, _EXIF_BYTES) + 6
    if not content.startswith(b"\xff\xd8") or start < 6:
        return False
    tiff = content[start : start + _EXIF_BYTES]
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (place,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, place)
        for number in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, place + 2 + 12 * number)
            if tag == _ORIENTATION:
                return bool(value != _AS_SHOT and 0 < value <= 8)
    except struct.error:  # cut off
        return False
    return False


def read_image(path: Path) -> Image:
    """A picture, turned as its EXIF data say.

    Raises:
        DatasetError: it cannot be read.
    """
    return open_picture(path, read_bytes(path)).image


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        DatasetError: it cannot be read, or is no UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is no text in UTF-8: {error.reason}; save it as UTF-8"
        ) from error


def open_picture(path: Path, content: bytes) -> Picture:
    """The picture in the content of a file, and what is odd about it.

    Raises:
        DatasetError: it is none.
    """
    try:
        return decode_picture(content)
    except PictureError as error:
        reason = f": {error}" if str(error) else ""
        raise DatasetError(f"{path} cannot be read as an image{reason}") from error


def describe_notes(odd: Iterable[tuple[Path, Sequence[str]]]) -> list[str]:
    """What is odd about pictures: each note once, with those that it is about."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for path, notes in odd:
        for note in notes:
            names[note].append(path.name)
    return [f"{format_names(found)}: {note}" for note, found in names.items()]
