"""Average precision as COCO has it, also where there is little to average."""

import numpy as np
import pytest

from edge.release.datasets.annotations import read_dataset
from edge.release.errors import DatasetError
from edge.release.validation.evaluate import compare, evaluate
from tests.edge.release.cells import detection, labelled, write_labelled

A, B, C = (0.0, 0.0, 20.0, 20.0), (30.0, 0.0, 50.0, 20.0), (0.0, 30.0, 20.0, 50.0)


def test_all_found_is_one():
    """Every object, in its place, under its name."""
    dataset = labelled([("red", A), ("blue", B)], [("red", C)])
    found = [
        [detection("red", 0.9, A), detection("blue", 0.8, B)],
        [detection("red", 0.7, C)],
    ]

    result = compare(found, dataset)

    assert result.map_50 == result.map_50_95 == pytest.approx(1)
    assert result.per_label == {"red": pytest.approx(1), "blue": pytest.approx(1)}
    assert (result.images, result.objects) == (2, {"red": 2, "blue": 1})


def test_labels_without_objects_do_not_count():
    """Green is known and nowhere: it makes nothing better or worse."""
    result = compare(
        [[detection("red", 0.9, A), detection("green", 0.9, B)]], labelled([("red", A)])
    )

    assert "green" not in result.per_label
    assert result.map_50 == pytest.approx(1)


def test_labels_that_the_images_do_not_have_are_left_out():
    """A detector of eighty things is judged by what is labelled."""
    result = compare(
        [[detection("zebra", 0.9, B), detection("red", 0.5, A)]], labelled([("red", A)])
    )

    assert result.map_50 == pytest.approx(1)


def test_nothing_found_is_zero():
    """Also for pycocotools, which has no word for it."""
    result = compare([[]], labelled([("red", A)]))

    assert (result.map_50, result.map_50_95) == (0, 0)
    assert result.thresholds == {}


def test_thresholds_come_from_enough_objects_and_make_sense():
    """A label with few objects has none, and what would let nothing pass is held down."""
    objects = [[("red", A)]] * 30 + [[("blue", B)]] * 29
    found = [[detection("red", 0.99, A)]] * 30 + [[detection("blue", 0.6, B)]] * 29

    result = compare(found, labelled(*objects))

    assert result.thresholds == {"red": 0.8}


def test_half_found_is_half():
    """One of two, and no false alarm: precision 1 up to a recall of 0.5."""
    result = compare([[detection("red", 0.9, A)]], labelled([("red", A), ("red", B)]))

    assert result.map_50 == pytest.approx(51 / 101)
    curve = result.curves["red"]
    assert np.allclose(curve.precision[:51], 1) and not curve.precision[51:].any()
    assert np.allclose(curve.scores[:51], 0.9)


def test_boxes_a_little_off_count_at_a_half_only():
    """An overlap of 0.6 is enough for the first three of ten thresholds."""
    result = compare([[detection("red", 0.9, (0.0, 0.0, 20.0, 12.0))]], labelled([("red", A)]))

    assert result.map_50 == pytest.approx(1)
    assert result.map_50_95 == pytest.approx(0.3)


def test_ignored_objects_are_neither_right_nor_wrong():
    """Finding one costs nothing, and missing it neither."""
    dataset = labelled([("red", A), ("red", B)])
    dataset.images[0].ignored[1] = True

    with_it = compare([[detection("red", 0.8, A), detection("red", 0.9, B)]], dataset)
    without = compare([[detection("red", 0.8, A)]], dataset)

    assert with_it.map_50 == without.map_50 == pytest.approx(1)


def test_labels_that_the_detector_cannot_say_are_named():
    """And left out of the mean; none at all is an error."""
    dataset = labelled([("red", A), ("blue", B)])

    result = compare([[detection("red", 0.9, A)]], dataset, known=["red", "zebra"])

    assert result.unjudged == ("blue",)
    assert result.map_50 == pytest.approx(1)
    with pytest.raises(DatasetError, match="that the detector knows; the images have red, blue"):
        compare([[]], dataset, known=["zebra"])


def test_wrong_names_are_told():
    """A labels file of another model shows: right places, other names."""
    dataset = labelled([("red", A), ("green", B)], [("red", C)])
    found = [
        [detection("blue", 0.9, A), detection("green", 0.9, B)],
        [detection("blue", 0.9, C), detection("blue", 0.3, A)],
    ]

    assert compare(found, dataset).misnamed == {("blue", "red"): 2}


def test_best_threshold_separates_right_from_wrong():
    """Thirty objects at 0.8 and more, false alarms below."""
    boxes = [(float(k), 0.0, float(k) + 0.9, 60.0) for k in range(40)]
    dataset = labelled([("red", box) for box in boxes])
    right = [detection("red", 0.8 + k / 1000, box) for k, box in enumerate(boxes)]
    wrong = [detection("red", 0.2, (x0, 62.0, x1, 64.0)) for x0, _, x1, _ in boxes]

    curve = compare([[*right, *wrong]], dataset).curves["red"]

    assert curve.best_threshold == pytest.approx(0.8, abs=0.01)


def test_pictures_are_shown_one_after_the_other(tmp_path, capfd):
    """In the order of the paths, each once, and nothing is printed."""
    dataset = read_dataset(write_labelled(tmp_path, count=3))
    shown, done = [], []

    def detect(frame):
        shown.append(frame)
        return []

    evaluate(detect, dataset, advance=lambda: done.append(1))

    assert len(done) == 3
    for frame, image in zip(shown, dataset.images, strict=True):
        assert np.array_equal(frame, image.read())
    assert capfd.readouterr() == ("", "")
