"""Video files made by hand, whose frames have any times, and which state any rate."""

from collections.abc import Sequence
from pathlib import Path

import cv2
from edge_detector.contract.pictures import Image

NS = 1_000_000_000


def _element(number: str, content: bytes) -> bytes:
    return bytes.fromhex(number) + (1 << 56 | len(content)).to_bytes(8, "big") + content


def _number(number: str, value: int) -> bytes:
    return _element(number, value.to_bytes(8, "big"))


def write_matroska(
    path: Path, images: Sequence[Image], times_s: Sequence[float], stated_rate: float | None
) -> Path:
    """A file of JPEG pictures, each in a cluster of its own, to the millisecond.

    stated_rate: frames a second that its head invents; None: it says nothing.
    """
    height, width = images[0].shape[:2]
    video = _element("e0", _number("b0", width) + _number("ba", height))
    track = _number("d7", 1) + _number("73c5", 1) + _number("83", 1)
    track += _element("86", b"V_MJPEG") + video
    if stated_rate is not None:
        track += _number("23e383", round(NS / stated_rate))
    head = _element("4282", b"matroska") + _number("4287", 4) + _number("4285", 2)
    info = _number("2ad7b1", 1_000_000) + _element("4d80", b"test") + _element("5741", b"test")
    segment = _element("1549a966", info) + _element("1654ae6b", _element("ae", track))
    for image, time_s in zip(images, times_s, strict=True):
        packed = cv2.imencode(".jpg", image)[1].tobytes()
        block = _element("a3", b"\x81\x00\x00\x80" + packed)
        segment += _element("1f43b675", _number("e7", round(time_s * 1000)) + block)
    path.write_bytes(_element("1a45dfa3", head) + _element("18538067", segment))
    return path
