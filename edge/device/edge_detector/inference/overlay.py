"""Boxes drawn into a frame: green, each with its label on a green ground.

Lines and letters grow with the frame, so that they are seen on 4K as on 320x240. A label stands
where there is room: above its box, else below or within, inside of the frame, and on no other
label where that can be helped.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_detector.inference.boxes import Box, Detection

GREEN = (0, 255, 0)
BLACK = (0, 0, 0)
LINE_SHARE = 1 / 270  # of the frame's shorter side: 4 px at 1080p
TEXT_SHARE = 1 / 36  # height of letters: 30 px at 1080p
LEAST_LINE_PX, LEAST_TEXT_PX = 2, 11
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAPITAL_PX = 22  # height of letters at scale 1
_ROOMY = 3  # times as high as its label: a box that can bear it inside
_DRAWS_ALL = int(cv2.__version__.split(".")[0]) >= 5  # before, letters of ASCII alone

Corner = tuple[int, int]  # x and y of the upper left corner, in px
Size = tuple[int, int]  # width and height, in px


@dataclass(frozen=True, slots=True)
class Style:
    """How thick and how large, in px, for frames of one size."""

    line: int
    text: int

    @property
    def gap(self) -> int:
        """Between a box and its label."""
        return self.line * 5 // 2

    @property
    def margin(self) -> int:
        """Of the ground around the text."""
        return max(3, self.text // 4)


def style_of(height: int, width: int) -> Style:
    """The style for frames of this size."""
    shorter = min(height, width)
    return Style(
        line=max(LEAST_LINE_PX, round(shorter * LINE_SHARE)),
        text=max(LEAST_TEXT_PX, round(shorter * TEXT_SHARE)),
    )


def draw(frame: NDArray[Any], detections: Sequence[Detection]) -> None:
    """Draw detections, best first, into a BGR frame, in place."""
    if not detections:
        return
    height, width = frame.shape[:2]
    style = style_of(height, width)
    for detection in reversed(detections):
        box = detection.box
        corners = (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1))
        cv2.rectangle(frame, *corners, GREEN, style.line)
    labels = [
        _render(f"{detection.label} {detection.score:.2f}", style, width)
        for detection in detections
    ]
    places = place_labels(
        boxes=[detection.box for detection in detections],
        sizes=[(label.shape[1], label.shape[0]) for label in labels],
        frame=(width, height),
        gap=style.gap,
    )
    for label, (x, y) in reversed(list(zip(labels, places, strict=True))):
        part = frame[y : y + label.shape[0], x : x + label.shape[1]]
        part[:] = label[: part.shape[0], : part.shape[1]]


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[Size], frame: Size, gap: int
) -> list[Corner]:
    """Where the label of each box stands; the first ones choose first."""
    taken: list[tuple[int, int, int, int]] = []
    for box, (width, height) in zip(boxes, sizes, strict=True):
        least, chosen = -1, (0, 0, width, height)
        for x, y in _candidates(box, width, height, frame, gap):
            place = (x, y, x + width, y + height)
            covered = _covered(place, taken)
            if least < 0 or covered < least:
                least, chosen = covered, place
            if not covered:
                break
        taken.append(chosen)
    return [(x, y) for x, y, _, _ in taken]


def _candidates(box: Box, width: int, height: int, frame: Size, gap: int) -> list[Corner]:
    """Places for a label within the frame, the best first."""
    x0, y0, x1, y1 = round(box.x0), round(box.y0), round(box.x1), round(box.y1)
    above, below, top, foot = y0 - gap - height, y1 + gap, y0 + gap, y1 - gap - height
    inside = [(x0 + gap, top), (x0 + gap, foot), (x1 - gap - width, top)]
    outside = [(x0, below), (x1 - width, above), (x1 - width, below)]
    beside = [(x1 + gap, y0), (x0 - gap - width, y0)]
    roomy = box.height >= _ROOMY * height
    order = [(x0, above), *(inside + outside if roomy else outside + inside), *beside]
    right, bottom = max(0, frame[0] - width), max(0, frame[1] - height)
    fitting = [(min(max(x, 0), right), y) for x, y in order if 0 <= y <= bottom]
    return fitting or [(min(max(x0, 0), right), min(max(above, 0), bottom))]


def _covered(place: tuple[int, int, int, int], taken: Sequence[tuple[int, int, int, int]]) -> int:
    """How many square px of a place others have taken."""
    x0, y0, x1, y1 = place
    return sum(
        (min(x1, c) - max(x0, a)) * (min(y1, d) - max(y0, b))
        for a, b, c, d in taken
        if a < x1 and x0 < c and b < y1 and y0 < d
    )


@lru_cache(maxsize=256)  # texts come again from frame to frame, and letters are dear
def _render(text: str, style: Style, frame_width: int) -> NDArray[np.uint8]:
    """A text on its ground, not wider than the frame."""
    text = text if _DRAWS_ALL else _plain(text)
    scale, margin = style.text / _CAPITAL_PX, style.margin
    (width, height), below = cv2.getTextSize(text, _FONT, scale, _weight(scale))
    room = max(1, frame_width - 2 * margin)
    if width > room:
        scale *= room / width
        (width, height), below = cv2.getTextSize(text, _FONT, scale, _weight(scale))
    size = (height + below // 2 + 2 * margin, min(width, room) + 2 * margin, 3)
    label = np.full(size, GREEN, np.uint8)
    place = (margin, margin + height)
    cv2.putText(label, text, place, _FONT, scale, BLACK, _weight(scale), cv2.LINE_AA)
    return label


def _weight(scale: float) -> int:
    return max(1, round(scale * 1.2))


def _plain(text: str) -> str:
    """Letters without their accents."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in parts if not unicodedata.combining(letter))
