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


def shrink(picture: Image, longest: int = MAX_SIDE) -> Image:
    """The picture, smaller if it is larger than needed."""
    height, width = picture.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return picture
    size = max(1, round(width * factor)), max(1, round(height * factor))
    smaller = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return smaller.astype(picture.dtype, copy=False)


def choose(
    pictures: Iterable[Image], detect: Detect, threshold: Threshold, count: int = COUNT
) -> list[Image]:
    """The pictures that show most labels, with few objects that are near the threshold.

    Args:
        pictures: to choose from.
        detect: finds also what is a little below the threshold.
        threshold: the score from which a label counts.
        count: how many.
    """
    left = [_rank(picture, detect, threshold) for picture in map(shrink, pictures)]
    chosen: list[Image] = []
    shown: set[str] = set()
    while left and len(chosen) < count:
        best = max(
            left,
            key=lambda one: (
                one.doubtful == 0 and one.clear > 0,
                len(one.labels - shown),
                one.clear > 0,
                -one.doubtful,
                one.clear,
            ),
        )
        left = [one for one in left if one is not best]
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
                detections=tuple(_golden_detection(one) for one in detect(picture)),
            )
        )
    return tuple(found)


def _rank(picture: Image, detect: Detect, threshold: Threshold) -> _Ranked:
    found = detect(picture)
    clear = [one for one in found if one.score >= threshold(one.label) + CLEAR]
    doubtful = [one for one in found if abs(one.score - threshold(one.label)) < CLEAR]
    return _Ranked(picture, frozenset(one.label for one in clear), len(clear), len(doubtful))


def _golden_detection(one: Detection) -> GoldenDetection:
    box = one.box
    return GoldenDetection(
        label=one.label,
        score=round(one.score, 4),
        box=(round(box.x0, 2), round(box.y0, 2), round(box.x1, 2), round(box.y1, 2)),
    )
