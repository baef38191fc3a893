"""Golden pictures: what a release carries along, so that a device can try it before it counts.

Few and telling: together they show as many labels as can be had, clearly. They are PNG files, as
JPEG decoders differ, and no larger than needed.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from edge_detector.contract.manifest import Golden, GoldenDetection
from edge_detector.inference.boxes import Detection

from edge.release.datasets.pictures import Image

COUNT = 4
MAX_SIDE = 960  # px
CLEAR = 0.15  # a score so far from its threshold is on its side with every runtime

Detect = Callable[[Image], Sequence[Detection]]
Threshold = Callable[[str], float]


@dataclass(frozen=True)
class _Ranked:
    picture: Image
    labels: frozenset[str]  # found clearly
    clear: int
    doubtful: int


def shrink(picture: Image) -> Image:
    """The picture, smaller if it is larger than needed."""
    height, width = picture.shape[:2]
    factor = MAX_SIDE / max(height, width)
    if factor >= 1:
        return picture
    size = max(1, round(width * factor)), max(1, round(height * factor))
    smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return smaller.astype(picture.dtype, copy=False)


def choose(pictures: Iterable[Image], detect: Detect, threshold: Threshold) -> list[Image]:
    """The `COUNT` pictures that show most labels, with few objects that are near the threshold.

    Args:
        pictures: to choose from.
        detect: finds also what is a little below the threshold.
        threshold: the score from which a label counts.
    """
    left = [_rank(picture, detect, threshold) for picture in map(shrink, pictures)]
    chosen: list[Image] = []
    shown: set[str] = set()
    while left and len(chosen) < COUNT:
        best = max(
            left,
            key=lambda ranked: (
                ranked.doubtful == 0 and ranked.clear > 0,
                len(ranked.labels - shown),
                ranked.clear > 0,
                -ranked.doubtful,
                ranked.clear,
            ),
        )
        left = [ranked for ranked in left if ranked is not best]
        chosen.append(best.picture)
        shown |= best.labels
    return chosen


def write_golden(pictures: Sequence[Image], detect: Detect, folder: Path) -> tuple[Golden, ...]:
    """Write the pictures as `golden-0.png` and so on, with what the published model finds."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, picture in enumerate(pictures):
        _, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        content = encoded.tobytes()
        file = folder / f"golden-{number}.png"
        file.write_bytes(content)
        found.append(
            Golden(
                file=file.name,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                detections=tuple(_golden_detection(each) for each in detect(picture)),
            )
        )
    return tuple(found)


def _rank(picture: Image, detect: Detect, threshold: Threshold) -> _Ranked:
    found = detect(picture)
    clear = [each for each in found if each.score >= threshold(each.label) + CLEAR]
    doubtful = [each for each in found if abs(each.score - threshold(each.label)) < CLEAR]
    return _Ranked(picture, frozenset(each.label for each in clear), len(clear), len(doubtful))


def _golden_detection(detection: Detection) -> GoldenDetection:
    box = detection.box
    return GoldenDetection(
        label=detection.label,
        score=round(detection.score, 4),
        box=(round(box.x0, 2), round(box.y0, 2), round(box.x1, 2), round(box.y1, 2)),
    )
