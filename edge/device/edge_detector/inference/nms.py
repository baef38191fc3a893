"""Non-maximum suppression: of boxes that show the same thing, only the best stays.

Greedy and per class: from the best score down, a box goes when it overlaps one that stays, and
both are of one class.

Across classes (`one_per_place`) much more is asked: the two boxes must be nearly the same. So a
bolt is not also a defective part, while the tie on a person, or the part that lies on another one,
stays.
"""

import numpy as np
from numpy.typing import NDArray

SAME_PLACE = 0.7  # overlap (IoU) from which two boxes of two classes are one object

_BLOCK = 64  # so many at once: one object's boxes mostly fit, and a table of overlaps stays small


def nms(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.intp],
    *,
    iou: float,
    limit: int,
) -> NDArray[np.intp]:
    """The boxes that stay, best first, as indices; of equal scores the earlier is the better.

    boxes_xyxy: (n, 4) in any unit. iou: two boxes that overlap more show the same thing.
    limit: how many stay at most.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order[:limit]
    boxes, classes = boxes_xyxy[order], class_ids[order]
    kept: list[int] = []
    for start in range(0, len(order), _BLOCK):
        block, block_classes = boxes[start : start + _BLOCK], classes[start : start + _BLOCK]
        gone = np.zeros(len(block), np.bool_)
        if kept:
            clash = _clash(boxes[kept], block, classes[kept], block_classes, iou)
            np.logical_or.reduce(clash, axis=0, out=gone)
        clash = _clash(block, block, block_classes, block_classes, iou)
        for number in range(len(block)):
            if not gone[number]:
                kept.append(start + number)
                if len(kept) == limit:
                    return order[kept]
                gone |= clash[number]
    return order[kept]


def one_per_place(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    class_ids: NDArray[np.intp],
) -> NDArray[np.intp]:
    """The boxes that stay where nearly the same box has two classes, best first, as indices.

    boxes_xyxy: (n, 4) in any unit; what shows the same thing within a class is left alone.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2:
        return order
    boxes, classes = boxes_xyxy[order], class_ids[order]
    clash = _overlaps(boxes, boxes, SAME_PLACE) & (classes[:, None] != classes)
    gone = np.zeros(len(order), np.bool_)
    for number in range(len(order)):
        if not gone[number]:
            gone[number:] |= clash[number, number:]
    return order[~gone]


def _clash(
    boxes: NDArray[np.float32],
    others: NDArray[np.float32],
    classes: NDArray[np.intp],
    other_classes: NDArray[np.intp],
    iou: float,
) -> NDArray[np.bool_]:
    """Whether each overlaps each other more than this and is of its class: (boxes, others)."""
    clash = _overlaps(boxes, others, iou)
    clash &= classes[:, None] == other_classes
    return clash


def _overlaps(
    boxes: NDArray[np.float32], others: NDArray[np.float32], iou: float
) -> NDArray[np.bool_]:
    """Whether each overlaps each other more than this: (boxes, others)."""
    edges, other_edges = boxes.T[:, :, None], others.T[:, None, :]
    sides = np.minimum(edges[2:], other_edges[2:])  # widths and heights: (2, boxes, others)
    sides -= np.maximum(edges[:2], other_edges[:2])
    np.maximum(sides, 0, out=sides)
    # Shared / (sum - shared) > iou, without a division that could be one by 0.
    limits = _areas(boxes)[:, None] + _areas(others)
    limits *= np.float32(iou / (1 + iou))
    overlaps: NDArray[np.bool_] = sides[0] * sides[1] > limits
    return overlaps


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = boxes[:, 2:] - boxes[:, :2]
    areas: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return areas
