"""Pictures of what a detector found and what it missed, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from edge_detector.inference.boxes import Box, Detection

from edge.release.datasets.annotations import LabelledImage

_HIT, _FALSE, _MISSED = (80, 170, 40), (40, 40, 225), (20, 160, 250)  # BGR
_OVERLAP = 0.5
_WIDTH_PX = 560


@dataclass(frozen=True)
class Comparison:
    """An image beside what was found in it, at the thresholds that a device would use."""

    image: LabelledImage
    hits: tuple[Detection, ...]
    false: tuple[Detection, ...]  # nothing of that label is there
    missed: tuple[tuple[str, Box], ...]

    @property
    def errors(self) -> int:
        return len(self.false) + len(self.missed)


def compare_image(
    image: LabelledImage, labels: Sequence[str], found: Sequence[Detection]
) -> Comparison:
    """Match detections, the surest first, with the labelled objects at an overlap of 0.5.

    Ignored objects are neither missed nor found, and what lies on them is no false alarm.
    """
    left: list[tuple[str, Box]] = []
    ignored: list[tuple[str, Box]] = []
    for box, class_id, ignore in zip(image.boxes, image.class_ids, image.ignored, strict=True):
        (ignored if ignore else left).append((labels[class_id], Box(*map(float, box))))
    hits, false = [], []
    for detection in sorted(found, key=lambda each: -each.score):
        overlaps = _overlaps(detection, left)
        best = int(np.argmax(overlaps)) if overlaps else 0
        if overlaps and overlaps[best] >= _OVERLAP:
            hits.append(detection)
            del left[best]
        elif max(_overlaps(detection, ignored), default=0.0) < _OVERLAP:
            false.append(detection)
    return Comparison(image, tuple(hits), tuple(false), tuple(left))


def _overlaps(detection: Detection, objects: Sequence[tuple[str, Box]]) -> list[float]:
    return [box.iou(detection.box) if label == detection.label else 0.0 for label, box in objects]


def draw_comparison(comparison: Comparison) -> bytes:
    """The image as JPEG: hits green, false alarms red, missed objects orange."""
    image = comparison.image.read()
    scale = _WIDTH_PX / image.shape[1]
    picture = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for detection in comparison.hits:
        _draw(picture, detection.box, f"{detection.label} {detection.score:.2f}", _HIT, scale)
    for label, box in comparison.missed:
        _draw(picture, box, f"{label} missed", _MISSED, scale)
    for detection in comparison.false:
        _draw(picture, detection.box, f"{detection.label} {detection.score:.2f}?", _FALSE, scale)
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return encoded.tobytes()


def _draw(
    picture: np.ndarray, box: Box, text: str, colour: tuple[int, int, int], scale: float
) -> None:
    box = box.scale(scale, scale)
    corner = (round(box.x0), round(box.y0))
    cv2.rectangle(picture, corner, (round(box.x1), round(box.y1)), colour, 2, cv2.LINE_AA)
    place = (corner[0] + 2, max(11, corner[1] - 4))
    for ink, thickness in (((255, 255, 255), 3), (colour, 1)):  # readable on any background
        cv2.putText(
            picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, thickness, cv2.LINE_AA
        )
