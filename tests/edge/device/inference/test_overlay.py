"""What is drawn into a frame."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from edge_detector.inference.boxes import Box, Detection
from edge_detector.inference.overlay import draw, place_labels, style_of


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


@pytest.mark.parametrize(
    ("height", "width", "line", "text"),
    [(240, 320, 2, 11), (432, 768, 2, 12), (1080, 1920, 4, 30), (2160, 3840, 8, 60)],
)
def test_lines_and_letters_grow_with_the_frame(height, width, line, text):
    """Seen at one size on a screen, they are the same on 4K as on a small camera."""
    style = style_of(height, width)

    assert (style.line, style.text) == (line, text)
    assert style_of(width, height) == style  # a camera that was turned


@pytest.mark.parametrize(("height", "width"), [(240, 320), (1080, 1920), (2160, 3840)])
def test_label_is_dark_on_a_green_ground(height, width):
    """Whatever the picture behind it is."""
    frame = np.full((height, width, 3), 128, np.uint8)
    box = Box(width * 0.3, height * 0.5, width * 0.6, height * 0.9)
    draw(frame, [Detection("bolt", 0, 0.87, box)])

    above = frame[: int(box.y0) - style_of(height, width).line]
    ground = (above == (0, 255, 0)).all(axis=2)
    letters = above.astype(int).sum(axis=2) < 60
    rows, columns = np.nonzero(ground)
    assert rows.max() - rows.min() > style_of(height, width).text
    assert letters[rows.min() : rows.max(), columns.min() : columns.max()].mean() > 0.05
    assert not letters[: rows.min()].any()


SIZE = (60, 18)  # of a label
GAP = 5


FRAME = Box(0, 0, 320, 240)


def places(*boxes, frame=(320, 240), size=SIZE):
    corners = place_labels(boxes, [size] * len(boxes), frame, GAP)
    return [Box(x, y, x + size[0], y + size[1]) for x, y in corners]


def test_label_stands_above_else_within_else_below():
    """Within only where the box is large enough for that."""
    (above,) = places(Box(100, 100, 180, 200))
    (within,) = places(Box(100, 4, 180, 200))
    (below,) = places(Box(100, 4, 180, 40))

    assert (above.x0, above.y1) == (100, 95)
    assert within.y0 == 9 and 100 <= within.x0 <= 110
    assert (below.x0, below.y0) == (100, 45)


@pytest.mark.parametrize(
    "box",
    [
        Box(0, 0, 320, 240),
        Box(310, 100, 320, 130),
        Box(300, 0, 320, 20),
        Box(0, 225, 30, 240),
        Box(-20, -20, -5, -5),
        Box(400, 300, 500, 400),
    ],
)
def test_label_is_whole_at_every_edge(box):
    (label,) = places(box)

    assert label == label.intersect(FRAME)


def test_labels_do_not_stand_on_one_another():
    """Of things that lie close together, each has its own."""
    boxes = [Box(100 + 8 * number, 100 + 6 * number, 180, 180) for number in range(5)]

    for place, other in combinations(places(*boxes), 2):
        assert place.intersect(other).area == 0


def test_crowd_is_drawn_all_the_same():
    """Where there is no room for all, the best ones choose first and lie on top."""
    crowd = [Box(100, 100, 140, 140)] * 200
    labels = places(*crowd)

    assert len(labels) == 200 and labels[0].y1 == 95
    assert all(label == label.intersect(FRAME) for label in labels)


def test_long_label_is_made_to_fit():
    """In a small frame, its letters are smaller."""
    frame = np.zeros((120, 160, 3), np.uint8)
    draw(
        frame, [Detection("a part with a very long name, of steel", 0, 0.87, Box(90, 60, 150, 110))]
    )

    rows, columns = np.nonzero(green(frame)[:55])
    assert columns.min() <= 5 and columns.max() >= 155 and rows.max() < 58


def test_letters_with_accents_are_drawn():
    """OpenCV before 5 has none of them: the plain letters are drawn then."""
    frame = np.zeros((240, 320, 3), np.uint8)
    draw(frame, [Detection("écrou", 0, 0.5, Box(90, 160, 150, 210))])

    assert cv2.countNonZero(frame[..., 1]) > 200
