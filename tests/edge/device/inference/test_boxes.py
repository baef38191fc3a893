"""What the value between tensors and everything else promises."""

import dataclasses

import pytest
from edge_detector.inference.boxes import Box, Detection


def test_box_knows_its_size():
    """Width, height and area, in pixels; a box turned inside out has no area."""
    box = Box(10, 20, 40, 60)

    assert (box.width, box.height, box.area) == (30, 40, 1200)
    assert Box(40, 20, 10, 60).area == 0
    assert Box(40, 60, 10, 20).area == 0


def test_methods_return_new_boxes():
    """A box never changes."""
    box = Box(10, 20, 40, 60)

    assert box.scale(2, 0.5) == Box(20, 10, 80, 30)
    assert box.translate(-10, 5) == Box(0, 25, 30, 65)
    assert box == Box(10, 20, 40, 60)
    with pytest.raises(dataclasses.FrozenInstanceError):
        box.x0 = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("other", "shared", "iou"),
    [
        (Box(0, 0, 10, 10), 100, 1.0),
        (Box(5, 0, 15, 10), 50, 1 / 3),
        (Box(2, 2, 4, 4), 4, 0.04),
        (Box(10, 0, 20, 10), 0, 0.0),
        (Box(50, 50, 60, 60), 0, 0.0),
        (Box(3, 3, 3, 3), 0, 0.0),
    ],
)
def test_overlap_counts_what_is_shared(other, shared, iou):
    """Both ways round; touching is not overlapping."""
    box = Box(0, 0, 10, 10)

    assert box.intersect(other).area == shared
    assert box.iou(other) == pytest.approx(iou)
    assert other.iou(box) == pytest.approx(iou)


def test_boxes_without_area_do_not_overlap():
    """Not even with themselves: nothing is divided by zero."""
    assert Box(3, 3, 3, 3).iou(Box(3, 3, 3, 3)) == 0.0


def test_detections_are_values():
    """Equal when their content is."""
    detection = Detection("bolt", 0, 0.5, Box(0, 0, 1, 1))

    assert detection == Detection("bolt", 0, 0.5, Box(0, 0, 1, 1))
    assert detection != Detection("bolt", 0, 0.5, Box(0, 0, 1, 2))
