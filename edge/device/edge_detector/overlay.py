"""Boxes drawn into a frame: green, with the label at the top left corner."""

from collections.abc import Sequence
from typing import Any

import cv2
from numpy.typing import NDArray

from edge_detector.boxes import Detection

GREEN = (0, 255, 0)
_LINE_PX = 2
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
_GAP_PX = 10  # from the box up to the foot of its text
_TEXT_PX = 12  # height of the text


def draw(frame: NDArray[Any], detections: Sequence[Detection]) -> None:
    """Draw detections into a BGR frame, in place."""
    for detection in detections:
        box = detection.box
        x, y = round(box.x0), round(box.y0)
        cv2.rectangle(frame, (x, y), (round(box.x1), round(box.y1)), GREEN, _LINE_PX)
        foot = y - _GAP_PX
        if foot < _TEXT_PX:  # no room above: below the upper edge
            foot = y + _GAP_PX + _TEXT_PX
        text = f"{detection.label} {detection.score:.2f}"
        cv2.putText(frame, text, (max(x, 0), foot), _FONT, _FONT_SCALE, GREEN, _LINE_PX)
