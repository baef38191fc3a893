"""The loss, against plain loops."""

import numpy as np
import pytest

from edge.release.training.loss import DetectionLoss, complete_iou
from edge.release.training.network import grid
from services.modelling.keras import open_tensorflow

HEIGHT, WIDTH = 64, 64


def perfect(boxes, classes):
    """Outputs that answer for one image's boxes at every point inside them, surely."""
    centres, strides = grid(HEIGHT, WIDTH)
    scores = np.full((1, len(centres), classes.shape[-1]), -20.0, np.float32)
    distances = np.zeros((1, len(centres), 4), np.float32)
    for point, (x, y) in enumerate(centres):
        for (x0, y0, x1, y1), label in zip(boxes[0], classes[0], strict=True):
            if x0 < x < x1 and y0 < y < y1:
                scores[0, point, label.argmax()] = 20.0
                distances[0, point] = np.array([x - x0, y - y0, x1 - x, y1 - y]) / strides[point]
    return {"scores": scores, "distances": distances}


def plain_ciou(a, b):
    """Complete IoU of two boxes, as the paper writes it."""
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    overlap = w * h / (sum(area) - w * h)
    hull = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    apart = ((a[0] + a[2] - b[0] - b[2]) / 2) ** 2 + ((a[1] + a[3] - b[1] - b[3]) / 2) ** 2
    angles = [np.arctan2(box[2] - box[0], box[3] - box[1]) for box in (a, b)]
    aspect = 4 / np.pi**2 * (angles[0] - angles[1]) ** 2
    return overlap - apart / hull - aspect * aspect / (1 - overlap + aspect)


def test_complete_iou_equals_the_formula_box_by_box():
    """For random pairs, near and far."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 40, (2, 50, 2))
    a, b = np.concatenate([corner, corner + rng.uniform(3, 30, (2, 50, 2))], axis=-1).astype("f4")

    found = np.asarray(complete_iou(a, b))

    assert found == pytest.approx([plain_ciou(x, y) for x, y in zip(a, b, strict=True)], abs=1e-4)


def test_right_answer_costs_next_to_nothing_and_a_wrong_class_much():
    """The loss asks for what is labelled."""
    boxes = np.array([[[8, 8, 40, 40]]], np.float32)
    right = np.array([[[1, 0]]], np.float32)
    wrong = np.array([[[0, 1]]], np.float32)
    loss = DetectionLoss(HEIGHT, WIDTH)
    # Only the points that are chosen may say so; the others inside cost, as doubles do.
    outputs = perfect(boxes, right)

    right_classes, right_boxes = map(float, loss(outputs, boxes, right))
    wrong_classes, _ = map(float, loss(outputs, boxes, wrong))

    assert right_boxes == pytest.approx(0, abs=1e-3)
    assert wrong_classes > 20 > right_classes


def test_gradients_are_numbers_whatever_is_labelled():
    """No box, fillers, boxes of no size answered: training goes on, compiled as it is there."""
    tf = open_tensorflow()
    loss = DetectionLoss(HEIGHT, WIDTH)
    points = len(grid(HEIGHT, WIDTH)[0])
    rng = np.random.default_rng(0)
    boxes = np.zeros((2, 10, 4), np.float32)
    boxes[0, 0] = (3, 3, 50, 60)
    classes = np.zeros((2, 10, 2), np.float32)
    classes[0, 0, 1] = 1

    @tf.function
    def gradients(scores, distances):
        with tf.GradientTape() as tape:
            tape.watch((scores, distances))
            total = sum(loss({"scores": scores, "distances": distances}, boxes, classes))
        return tape.gradient(total, (scores, distances))

    scores = tf.constant(rng.normal(size=(2, points, 2)).astype("f4"))
    distances = tf.constant(np.maximum(rng.normal(size=(2, points, 4)), 0).astype("f4"))
    for gradient in gradients(scores, distances):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0


def test_points_answer_for_one_box_each_that_they_lie_in():
    """As loops choose them: inside, among the ten best of a box, the box of most overlap."""
    rng = np.random.default_rng(1)
    loss = DetectionLoss(HEIGHT, WIDTH)
    centres, _ = grid(HEIGHT, WIDTH)
    boxes = np.array([[[4, 4, 44, 44], [20, 20, 60, 62]]], np.float32)
    classes = np.eye(2, dtype=np.float32)[None]
    logits = rng.normal(size=(1, len(centres), 2)).astype("f4")
    answered = np.asarray(loss.boxes(rng.uniform(0, 3, (1, len(centres), 4)).astype("f4")))

    chosen, quality = (
        np.asarray(each)[0] for each in loss._assign(logits, answered, boxes, classes)
    )

    def overlap(a, b):
        sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
        area = [(box[2:] - box[:2]).prod() for box in (a, b)]
        return sides.prod() / (sum(area) - sides.prod())

    overlaps = np.array([[overlap(box, each) for each in answered[0]] for box in boxes[0]])
    inside = np.array([((centres > box[:2]) & (centres < box[2:])).all(axis=1) for box in boxes[0]])
    match = inside * (1 / (1 + np.exp(-logits[0].T))) ** 0.5 * overlaps**6
    expected = np.zeros_like(match)
    for point in range(len(centres)):
        candidates = [
            box
            for box in range(2)
            if inside[box, point] and (match[box] > match[box, point]).sum() < 10
        ]
        if candidates:
            expected[max(candidates, key=lambda box: overlaps[box, point]), point] = 1
    assert (chosen == expected).all()
    assert (quality[chosen == 0] == 0).all()
    assert quality.max(axis=1) == pytest.approx((overlaps * expected).max(axis=1), abs=1e-4)
