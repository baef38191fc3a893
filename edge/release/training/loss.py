"""What the network is asked for: which points answer for which box, and how wrong they are.

Points are chosen by what the network itself answers at the moment: those inside a box whose class
probability and overlap are best together (TOOD, arXiv 2108.07755), with the exponents and the
number of points that YOLOv8 uses. Classes learn by cross-entropy towards that quality, boxes by
complete IoU (arXiv 1911.08287).
"""

import math
from typing import Any

from edge.release.training.network import grid
from services.modelling.keras import open_tensorflow

_POINTS_PER_BOX = 10
_SCORE_POWER, _OVERLAP_POWER = 0.5, 6.0
_BOX_WEIGHT = 5.0
_TINY = 1e-9


class DetectionLoss:
    """The loss of a batch, for networks with inputs of one size."""

    def __init__(self, height: int, width: int) -> None:
        tf = open_tensorflow()
        centres, strides = grid(height, width)
        self._centres, self._strides = tf.constant(centres), tf.constant(strides)

    def boxes(self, distances: Any) -> Any:
        """Boxes (B, N, 4) as x0, y0, x1, y1 in pixels, from distances (B, N, 4) in strides."""
        tf = open_tensorflow()
        d = distances * self._strides
        return tf.concat([self._centres - d[..., :2], self._centres + d[..., 2:]], axis=-1)

    def __call__(self, outputs: dict[str, Any], boxes: Any, classes: Any) -> tuple[Any, Any]:
        """The loss of the classes and of the boxes, each a scalar.

        Args:
            outputs: of the network.
            boxes: (B, M, 4), x0, y0, x1, y1 in pixels; rows of zeros fill up.
            classes: (B, M, C), one-hot; rows of zeros where the box is a filler.
        """
        tf = open_tensorflow()
        logits, answered = outputs["scores"], self.boxes(outputs["distances"])
        chosen, quality = self._assign(
            tf.stop_gradient(logits), tf.stop_gradient(answered), boxes, classes
        )
        asked_scores = tf.einsum("bmn,bmc->bnc", quality, classes)
        asked_boxes = tf.einsum("bmn,bmd->bnd", chosen, boxes)
        weight = tf.reduce_sum(quality, axis=1)  # (B, N), zero where a point answers for nothing
        total = tf.maximum(tf.reduce_sum(weight), 1.0)
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(asked_scores, logits)
        overlap = complete_iou(answered, asked_boxes)
        return (
            tf.reduce_sum(entropy) / total,
            _BOX_WEIGHT * tf.reduce_sum((1.0 - overlap) * weight) / total,
        )

    def _assign(self, logits: Any, answered: Any, boxes: Any, classes: Any) -> tuple[Any, Any]:
        """Which box each point answers for, (B, M, N) of 0 and 1, and how well, (B, M, N)."""
        tf = open_tensorflow()
        overlap = iou(boxes[:, :, None], answered[:, None])
        probability = tf.einsum("bnc,bmc->bmn", tf.sigmoid(logits), classes)
        x, y = self._centres[:, 0], self._centres[:, 1]
        inside = tf.cast(
            (x > boxes[..., 0:1])
            & (y > boxes[..., 1:2])
            & (x < boxes[..., 2:3])
            & (y < boxes[..., 3:4]),
            tf.float32,
        )
        match = inside * (probability**_SCORE_POWER * overlap**_OVERLAP_POWER + _TINY)
        least = tf.math.top_k(match, _POINTS_PER_BOX).values[..., -1:]
        candidate = inside * tf.cast(match >= least, tf.float32)
        best = tf.argmax(candidate * (overlap + _TINY), axis=1)  # one box for each point
        chosen = candidate * tf.one_hot(best, tf.shape(boxes)[1], axis=1)
        match, overlap = match * chosen, overlap * chosen
        scale = tf.reduce_max(overlap, -1, keepdims=True) / (
            tf.reduce_max(match, -1, keepdims=True) + _TINY
        )
        return chosen, match * scale


def iou(a: Any, b: Any) -> Any:
    """Intersection over union of boxes (..., 4)."""
    tf = open_tensorflow()
    sides = tf.minimum(a[..., 2:], b[..., 2:]) - tf.maximum(a[..., :2], b[..., :2])
    sides = tf.maximum(sides, 0.0)
    common = sides[..., 0] * sides[..., 1]
    return common / (_area(a) + _area(b) - common + 1e-7)


def complete_iou(a: Any, b: Any) -> Any:
    """IoU, less the distance of the centres and the difference of the aspect ratios."""
    tf = open_tensorflow()
    overlap = iou(a, b)
    hull = tf.maximum(a[..., 2:], b[..., 2:]) - tf.minimum(a[..., :2], b[..., :2])
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2.0
    distance = tf.reduce_sum(apart**2, -1) / (tf.reduce_sum(hull**2, -1) + 1e-7)
    angles = [
        tf.atan2(box[..., 2] - box[..., 0], box[..., 3] - box[..., 1] + 1e-7) for box in (a, b)
    ]
    aspect = (4.0 / math.pi**2) * (angles[0] - angles[1]) ** 2
    share = tf.stop_gradient(aspect / (1.0 - overlap + aspect + 1e-7))
    return overlap - distance - share * aspect


def _area(boxes: Any) -> Any:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
