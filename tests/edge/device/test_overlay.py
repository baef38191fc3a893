"""What is drawn into a frame."""

import numpy as np
from edge_detector.boxes import Box, Detection
from edge_detector.overlay import draw


def drawn(*detections, height=120, width=160):
    frame = np.zeros((height, width, 3), np.uint8)
    draw(frame, detections)
    return frame


def green(frame):
    """Where anything green is, and nothing but green."""
    assert not frame[..., [0, 2]].any()
    return frame[..., 1] > 0


def test_box_is_green_and_its_inside_free():
    """On the edges of the detection, two pixels wide; the object stays visible."""
    frame = drawn(Detection("bolt", 0, 0.87, Box(40.2, 50.4, 100.1, 99.8)))

    assert (frame[[50, 100, 75, 75], [70, 70, 40, 100]] == (0, 255, 0)).all()
    assert not green(frame)[53:97, 43:97].any()


def test_label_stands_above_the_top_left_corner():
    """Text begins at the box's left edge."""
    marks = green(drawn(Detection("bolt", 0, 0.87, Box(40, 50, 100, 100))))[:46]

    rows, columns = np.nonzero(marks)
    assert rows.min() >= 20 and rows.max() <= 44
    assert 38 <= columns.min() <= 44 and columns.max() > 60


def test_label_of_a_box_at_the_top_stands_inside():
    """Where it can be read."""
    with_label = green(drawn(Detection("bolt", 0, 0.87, Box(40, 1, 100, 100))))

    assert with_label[8:30, 44:96].any()


def test_boxes_at_the_edges_of_the_frame_are_drawn():
    """Whole frame, outside, or without area: nothing of it is an error."""
    frame = drawn(
        Detection("bolt", 0, 1.0, Box(0, 0, 160, 120)),
        Detection("nut", 1, 0.5, Box(-20, -20, -5, -5)),
        Detection("nut", 1, 0.5, Box(80, 60, 80, 60)),
    )

    assert green(frame)[:, 0].all()


def test_nothing_is_drawn_where_nothing_is():
    """The frame stays as it was."""
    assert not drawn().any()
