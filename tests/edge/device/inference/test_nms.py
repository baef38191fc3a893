"""Promises of one class per place: nearly the same box is one object, and no more than that."""

import numpy as np
import pytest
from edge_detector.inference.nms import SAME_PLACE, nms, one_per_place

PERSON = (100.0, 50.0, 200.0, 350.0)
TIE = (140.0, 120.0, 160.0, 180.0)
BOLT = (10.0, 10.0, 90.0, 50.0)


def stays(boxes, scores, classes):
    return one_per_place(
        np.array(boxes, np.float32), np.array(scores, np.float32), np.array(classes, np.intp)
    ).tolist()


def test_one_bolt_has_one_class():
    """The better one, wherever it stands."""
    nearly = (11.0, 9.0, 91.0, 51.0)

    assert stays([BOLT, nearly], [0.51, 0.31], [0, 3]) == [0]
    assert stays([nearly, BOLT], [0.31, 0.51], [3, 0]) == [1]
    assert stays([BOLT] * 3, [0.4, 0.5, 0.3], [0, 1, 2]) == [1]


@pytest.mark.parametrize(
    "other",
    [
        TIE,
        (100.0, 50.0, 200.0, 200.0),  # the upper half of the person
        (120.0, 50.0, 220.0, 350.0),  # another one, behind
        (95.0, 150.0, 205.0, 350.0),  # what it sits on
    ],
)
def test_objects_that_only_overlap_stay(other):
    """A tie on a person is a tie and a person."""
    assert stays([PERSON, other], [0.9, 0.8], [0, 27]) == [0, 1]


def test_part_of_a_bolt_at_the_edge_has_one_class():
    """As it is seen: the same thing, one box a little shorter than the other."""
    bolt, defective = (606.9, 338.2, 640.0, 419.6), (605.6, 339.5, 639.1, 403.9)

    assert stays([bolt, defective], [0.52, 0.32], [0, 3]) == [0]


def test_box_that_goes_takes_nobody_along():
    """What only overlaps a box that was left out stays."""
    first, second, third = (
        (0.0, 0.0, 100.0, 100.0),
        (0.0, 0.0, 100.0, 84.0),
        (0.0, 0.0, 100.0, 68.0),
    )

    assert stays([first, second, third], [0.9, 0.8, 0.7], [0, 1, 2]) == [0, 2]


def test_doubles_within_a_class_are_left_to_its_own_threshold():
    assert stays([BOLT, BOLT], [0.9, 0.8], [1, 1]) == [0, 1]


def test_nothing_and_one_stay_as_they_are():
    assert stays(np.empty((0, 4)), [], []) == []
    assert stays([BOLT], [0.5], [2]) == [0]


def test_best_come_first():
    assert stays([PERSON, TIE, BOLT], [0.3, 0.9, 0.5], [0, 1, 2]) == [1, 2, 0]


def test_classes_keep_apart_in_ordinary_suppression():
    """A proof counts both: average precision is defined class by class."""
    boxes, scores = np.array([BOLT, BOLT], np.float32), np.array([0.5, 0.3], np.float32)

    kept = nms(boxes, scores, np.array([0, 1], np.intp), iou=0.5, limit=10)

    assert kept.tolist() == [0, 1] and 0.7 <= SAME_PLACE < 1
