"""The picture in the content of a file: the same for who measures a model and for who runs it.

Promises: 8 bits a channel, turned as EXIF data say. What OpenCV would pass over without a word is
told: upper bits that are empty, further pages, a JPEG file whose end is missing.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_detector.contract.picture_files import kind_of

Image = NDArray[np.uint8]  # (height, width, 3), blue, green, red

DARK = 64  # of 255, rounded up; what is brighter uses the upper two of 16 bits
DEPTHS = (8, 10, 12, 14)  # bits that cameras have, where a file gives them 16
_START, _END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA  # of a JPEG file
_BARE = (0x01, *range(0xD0, 0xD8))  # markers of JPEG without a length


class PictureError(ValueError):
    """The content is no picture that can be read; says why, as far as it is known."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture, and what is odd about its file."""

    image: Image
    notes: tuple[str, ...] = ()


def decode_picture(content: bytes) -> Picture:
    """The first picture in the content of a file.

    Raises:
        PictureError: there is none, or but a part of one.
    """
    if not content:
        raise PictureError("it has no content")
    data = np.frombuffer(content, np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        too_large = "CV_IO_MAX_IMAGE" in str(error)
        raise PictureError("it is too large to be read" if too_large else "") from error
    if image is None:
        kind = kind_of(content)
        raise PictureError(f"it is {kind}" if kind else "")
    if _lacks_end(content):
        raise PictureError("its end is missing")
    narrow = image.astype(np.uint8, copy=False)
    notes = ["it has further pages: took the first"] if _has_pages(content) else []
    if narrow.max() > DARK:
        return Picture(narrow, tuple(notes))
    scaled, used = _scaled(cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH))
    if scaled is None:
        return Picture(narrow, tuple(notes))
    notes.append(f"it uses {used} of its 16 bits: took {2**used - 1} for white")
    return Picture(scaled, tuple(notes))


def _scaled(deep: object) -> tuple[Image | None, int]:
    """A picture of 16 bits brought to 8 by the bits that it uses, and how many these are.

    None: it has no 16 bits, or uses all, or was made of one that had 8.
    """
    if not isinstance(deep, np.ndarray) or deep.dtype != np.uint16:
        return None, 0
    low, high = deep & 255, deep >> 8
    used = next((bits for bits in DEPTHS if deep.max() < 2**bits), 16)
    if used == 16 or not low.any() or (low == high).all():
        return None, 0
    return (deep >> (used - 8)).astype(np.uint8), used


def _lacks_end(content: bytes) -> bool:
    """Whether a JPEG file breaks off, and what is missing is filled up."""
    if not content.startswith(_START):
        return False
    scan = next((at for at, marker in _jpeg_segments(content) if marker == _SCAN), None)
    # Within a scan no other byte than 0 follows a 255 that is no marker.
    return scan is not None and content.find(_END, scan) < 0


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Place and marker of each segment up to the first scan, or to what is none."""
    at = len(_START)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF or marker in _BARE:  # filled up, or without a length
            at += 1 if marker == 0xFF else 2
            continue
        yield at, marker
        if marker == _SCAN:
            return
        at += 2 + int.from_bytes(content[at + 2 : at + 4])


def _has_pages(content: bytes) -> bool:
    """Whether a TIFF file holds more pictures than the first."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None:
        return False
    try:
        (place,) = struct.unpack_from(f"{order}I", content, 4)
        (entries,) = struct.unpack_from(f"{order}H", content, place)
        (following,) = struct.unpack_from(f"{order}I", content, place + 2 + 12 * entries)
    except struct.error:  # cut off
        return False
    return bool(following)
