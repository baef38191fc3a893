"""Each layout and NMS once more, slowly, as one would explain them."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

Found = tuple[tuple[float, float, float, float], float, int]  # box in 0..1, score, class


def points(
    scores: Any,
    distances: Any,
    *,
    height: int,
    width: int,
    strides: Sequence[int],
    thresholds: Sequence[float],
) -> list[Found]:
    """scores: (N, C) real logits. distances: (N, 4) real."""
    found: list[Found] = []
    point = 0
    for stride in strides:
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                left, top, right, bottom = (max(0.0, float(d)) * stride for d in distances[point])
                probabilities = [1 / (1 + math.exp(-float(logit))) for logit in scores[point]]
                box = clip(
                    (x - left) / width,
                    (y - top) / height,
                    (x + right) / width,
                    (y + bottom) / height,
                )
                found += best_class(box, probabilities, thresholds)
                point += 1
    return found


def ssd(
    boxes: Any, classes: Any, scores: Any, count: float, thresholds: Sequence[float]
) -> list[Found]:
    """All without the batch."""
    found: list[Found] = []
    for number in range(round(count)):
        class_id, score = round(float(classes[number])), float(scores[number])
        if 0 <= class_id < len(thresholds) and score >= thresholds[class_id]:
            y0, x0, y1, x1 = map(float, boxes[number])
            found += filled(clip(x0, y0, x1, y1), score, class_id)
    return found


def end_to_end(
    rows: Any, *, width: float, height: float, thresholds: Sequence[float]
) -> list[Found]:
    """rows: (N, 6) real. width, height: what stands for 1."""
    found: list[Found] = []
    for x0, y0, x1, y1, score, number in rows.tolist():
        class_id = round(number)
        if 0 <= class_id < len(thresholds) and score >= thresholds[class_id]:
            box = clip(x0 / width, y0 / height, x1 / width, y1 / height)
            found += filled(box, min(1.0, score), class_id)
    return found


def yolo(
    rows: Any, *, width: float, height: float, objectness: bool, thresholds: Sequence[float]
) -> list[Found]:
    """rows: (N, 4 + C) or, with objectness, (N, 5 + C); real. width, height: what stands for 1."""
    found: list[Found] = []
    for row in rows:
        x, y, w, h = map(float, row[:4])
        scores = [min(1.0, float(score)) for score in row[5 if objectness else 4 :]]
        if objectness:
            scores = [score * min(1.0, float(row[4])) for score in scores]
        box = clip(
            (x - w / 2) / width, (y - h / 2) / height, (x + w / 2) / width, (y + h / 2) / height
        )
        found += best_class(box, scores, thresholds)
    return found


def nms(found: Sequence[Found], iou: float, limit: int) -> list[int]:
    """The indices of what stays, best first."""
    left = sorted(range(len(found)), key=lambda number: -found[number][1])
    kept: list[int] = []
    while left and len(kept) < limit:
        best, *left = left
        kept.append(best)
        left = [
            other
            for other in left
            if found[other][2] != found[best][2] or overlap(found[other][0], found[best][0]) <= iou
        ]
    return kept


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared) if sum(areas) > shared else 0.0


def best_class(
    box: tuple[float, float, float, float], scores: Sequence[float], thresholds: Sequence[float]
) -> Iterator[Found]:
    """The best of those classes that pass; the first of equals."""
    passed = [
        (-score, class_id)
        for class_id, (score, threshold) in enumerate(zip(scores, thresholds, strict=True))
        if score >= threshold
    ]
    if passed:
        negative, class_id = min(passed)
        yield from filled(box, -negative, class_id)


def filled(box: tuple[float, float, float, float], score: float, class_id: int) -> Iterator[Found]:
    if box[0] < box[2] and box[1] < box[3]:
        yield box, score, class_id


def clip(*edges: float) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (min(1.0, max(0.0, edge)) for edge in edges)
    return x0, y0, x1, y1
