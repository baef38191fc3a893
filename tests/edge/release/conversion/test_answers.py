"""What a model answers decides what it is: shapes that fit are not enough, and are not overruled
by silence."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from edge_detector.contract.manifest import Thresholds
from edge_detector.inference.detector import Detector

from edge.release.conversion.answers import FEWEST_ROWS, judge_end_to_end, judge_yolo
from edge.release.conversion.inspection import ModelHints, inspect_model
from edge.release.conversion.other_kinds import name_kind
from edge.release.errors import ModelFileError
from edge.release.validation.candidate import Origin, make_candidate
from tests.edge.release.squares import (
    COLOURS,
    NOTHING,
    SQUARES,
    STRIDE,
    places,
    write_detector,
)

ONE, THREE = ("red",), ("red", "green", "blue")


def found(folder, file, inspection, labels, picture) -> list[tuple[str, tuple[int, ...]]]:
    """What a device finds: label and box."""
    thresholds = Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={})
    origin = Origin("squares", "1.0.0", labels, "0" * 64)
    made = make_candidate(folder / "made", file, "as-is", origin, inspection, thresholds)
    detector: Detector = made.open()
    return sorted(
        (one.label, tuple(round(v) for v in (one.box.x0, one.box.y0, one.box.x1, one.box.y1)))
        for one in detector.detect(picture)
    )


def painted(seed: int, colours: tuple[str, ...] = COLOURS) -> list[tuple[str, tuple[int, ...]]]:
    cells = [
        (COLOURS[number % 2], (x * STRIDE, y * STRIDE, (x + 1) * STRIDE, (y + 1) * STRIDE))
        for number, (y, x) in enumerate(places(seed))
    ]
    return sorted(cell for cell in cells if cell[0] in colours)


@pytest.mark.parametrize(
    ("form", "labels", "layout"),
    [
        ("v8", COLOURS, "yolo_v8"),
        ("v8_rows", COLOURS, "yolo_v8"),
        ("v8_pixels", COLOURS, "yolo_v8"),
        ("v8_one", ONE, "yolo_v8"),
        ("v8_planes", COLOURS, "yolo_v8"),
        ("v8_int8_plain", COLOURS, "yolo_v8"),
        ("v8_int8_wide", COLOURS, "yolo_v8"),
        ("v8_int8_bytes", COLOURS, "yolo_v8"),
        ("v5", COLOURS, "yolo_v5"),
        ("v5_one", ONE, "yolo_v5"),
        ("v5_wide", COLOURS, "yolo_v5"),
        ("v5_exchanged", COLOURS, "yolo_v5"),
        ("ssd", COLOURS, "ssd"),
        ("ssd_named", COLOURS, "ssd"),
        ("ssd_tf2", COLOURS, "ssd"),
        ("e2e", COLOURS, "end_to_end"),
        ("e2e", THREE, "end_to_end"),
        ("e2e_pixels", COLOURS, "end_to_end"),
        ("e2e_one", ONE, "end_to_end"),
    ],
)
def test_right_forms_are_taken_and_find_what_was_painted(tmp_path, form, labels, layout):
    """Whatever the order of rows and columns, units, and the range that an input was given."""
    file = write_detector(tmp_path, form)

    inspection = inspect_model(file, labels, SQUARES)

    assert inspection.output.layout == layout
    assert not any("follows from its shapes alone" in note for note in inspection.notes)
    assert found(tmp_path, file, inspection, labels, SQUARES[0]) == painted(0, labels)


@pytest.mark.parametrize(
    ("form", "labels", "seen"),
    [
        ("e2e", ONE, "answers with class 1, but there is 1 label"),
        ("e2e_numbered", ONE, "an end-to-end output.*nms=False"),
        ("e2e_numbered", COLOURS, "scores that fall in column 6, whole-number classes in column 5"),
        ("e2e_numbered", THREE, "an end-to-end output"),
        ("e2e_automl", COLOURS, "scores that fall in column 5, whole-number classes in column 6"),
        ("v5", THREE, "column 4 is high only together with another.*a yolo_v5 with 2 labels"),
        ("v5_one", COLOURS, "a yolo_v5 with 1 label[^s]"),
        ("v5_exchanged", THREE, "a yolo_v5 with 2 labels"),
        ("v8", ONE, "column 4 is high where no class is.* a yolo_v8 with 2 labels"),
        ("obb", COLOURS, r"as the angles of turned boxes \(OBB\) do: -0.50 to 1.50.*task detect"),
        ("obb", THREE, "as the angles of turned boxes"),
        ("v8_640_int8_plain", COLOURS, "bytes of one scale.*scores lie between 0.*float16"),
        ("v8_rows", ONE, "column 4 is high where no class is.* a yolo_v8 with 2 labels"),
        ("v8_logits", COLOURS, "scores reach from -5 to 5, and probabilities lie between 0 and 1"),
        ("v8_corners", COLOURS, "its boxes are corners"),
        ("ssd_pixels", COLOURS, "are in pixels, where ssd has shares"),
        ("points_probabilities", COLOURS, "as probabilities do, where points has logits"),
    ],
)
def test_form_that_only_has_the_shape_of_another_is_refused(tmp_path, form, labels, seen):
    """With what was seen; its boxes or names would be wrong on every device."""
    with pytest.raises(ModelFileError, match=f"(?s){seen}"):
        inspect_model(write_detector(tmp_path, form), labels, SQUARES)


@pytest.mark.parametrize(
    ("form", "labels", "hint"),
    [
        ("v8", THREE, "with 2 labels it would be yolo_v8"),
        ("v5_exchanged", (*THREE, "white"), "with 3 labels it would be yolo_v8, with 2 yolo_v5"),
        ("v5", (*THREE, "white"), "with 3 labels it would be yolo_v8, with 2 yolo_v5"),
    ],
)
def test_wrong_number_of_labels_says_which_would_fit(tmp_path, form, labels, hint):
    """The most common mistake."""
    with pytest.raises(ModelFileError, match=hint):
        inspect_model(write_detector(tmp_path, form), labels, SQUARES)


@pytest.mark.parametrize("count", [5, 10, 20])
def test_boxes_that_share_a_scale_with_classes_keep_their_units(tmp_path, count):
    """A byte of that scale may stand for 4 or 19: a class, and no box in pixels."""
    file = write_detector(tmp_path, f"e2e_to_{count - 1}_int8_plain")
    labels = ("red", *(f"other {number}" for number in range(2, count)), "green")

    inspection = inspect_model(file, labels, SQUARES)

    assert (inspection.output.layout, inspection.output.normalised) == ("end_to_end", True)
    labelled = found(tmp_path, file, inspection, labels, SQUARES[0])
    assert sorted(label for label, _ in labelled) == sorted(label for label, _ in painted(0))


@pytest.mark.parametrize("named", [None, "end_to_end"])
def test_scale_that_is_too_coarse_for_boxes_and_scores_is_refused(tmp_path, named):
    """Of 80 classes: what is detected would be as far off as a large object is wide."""
    file = write_detector(tmp_path, "e2e_to_79_int8_plain")
    labels = ("red", *(f"other {number}" for number in range(2, 80)), "green")

    with pytest.raises(ModelFileError, match=r"step is 0\.31, and scores and boxes.*end2end=False"):
        inspect_model(file, labels, SQUARES, ModelHints(layout=named))


def test_scores_that_come_in_large_steps_are_told(tmp_path):
    """Beside boxes in pixels of a small input; labelled images say what that costs."""
    file = write_detector(tmp_path, "v8_pixels_int8_plain")

    inspection = inspect_model(file, COLOURS, SQUARES)

    assert "scores come in steps of 0.3." in inspection.notes[0]


def test_exchanged_yolo_v5_is_proved_or_named(tmp_path):
    """A yolo_v8 of one label more has the same shape, and is what most of them are."""
    file = write_detector(tmp_path, "v5_exchanged")

    with pytest.raises(ModelFileError, match=r"yolo_v8 with 3 labels, or a yolo_v5 with 2 whose.*"):
        inspect_model(file, COLOURS, NOTHING)
    with pytest.raises(ModelFileError, match=r"say so by --layout yolo_v5"):
        inspect_model(write_detector(tmp_path, "v8"), ONE, NOTHING)

    named = inspect_model(file, COLOURS, NOTHING, ModelHints(layout="yolo_v5"))
    assert named.output == inspect_model(file, COLOURS, SQUARES).output


def test_numbers_of_classes_are_not_taken_for_probabilities(tmp_path):
    """Finished detections, none of which is sure, in as many rows as grids have: each row's 1
    would be a sure find."""
    file = write_detector(tmp_path, "e2e_faint")

    with pytest.raises(ModelFileError, match=r"whole numbers only.*name its layout by --layout"):
        inspect_model(file, COLOURS, SQUARES)


def test_end_to_end_that_is_not_sorted_says_what_was_expected(tmp_path):
    """Its shape is right; the error does not say that it is wrong."""
    file = write_detector(tmp_path, "e2e_rising")

    with pytest.raises(ModelFileError, match=r"scores would fall.*say so by --layout end_to_end"):
        inspect_model(file, THREE, SQUARES)
    named = inspect_model(file, THREE, SQUARES, ModelHints(layout="end_to_end"))
    assert named.output.layout == "end_to_end"


def test_layout_that_is_named_is_taken_with_a_warning(tmp_path):
    """The publisher may know better; the report says what was seen."""
    file = write_detector(tmp_path, "v5")

    inspection = inspect_model(file, THREE, SQUARES, ModelHints(layout="yolo_v8"))

    assert inspection.output.layout == "yolo_v8"
    assert "Published as yolo_v8, as --layout says, although" in inspection.notes[0]
    assert "a yolo_v5 with 2 labels" in inspection.notes[0]


def test_impossible_answers_are_refused_whatever_is_named(tmp_path):
    """No network of that layout answers so."""
    file = write_detector(tmp_path, "v8_logits")

    with pytest.raises(ModelFileError, match="cannot be yolo_v8"):
        inspect_model(file, COLOURS, SQUARES, ModelHints(layout="yolo_v8"))


def test_silence_proves_nothing_and_is_said(tmp_path):
    """A rightly shaped model is not refused for pictures in which there is nothing."""
    inspection = inspect_model(write_detector(tmp_path, "v8"), COLOURS, NOTHING)

    assert inspection.output.layout == "yolo_v8"
    assert "follows from its shapes alone: it found nothing in 2 pictures" in inspection.notes[0]
    assert "--golden" in inspection.notes[0] and "--evaluate-on" in inspection.notes[0]


def test_names_of_outputs_tell_where_pictures_do_not(tmp_path):
    """Classes and scores have one shape; without names and answers nobody knows which is which."""
    named = inspect_model(write_detector(tmp_path, "ssd_named"), COLOURS, NOTHING)

    assert named.output == inspect_model(tmp_path / "ssd_named.tflite", COLOURS, SQUARES).output
    assert "follows from its shapes alone" in named.notes[0]
    with pytest.raises(ModelFileError, match="or give pictures in which it finds something"):
        inspect_model(write_detector(tmp_path, "ssd"), COLOURS, NOTHING)


def test_finished_detections_are_not_guessed(tmp_path):
    """Without one, their six columns may be those of a YOLO with two classes."""
    file = write_detector(tmp_path, "e2e")

    with pytest.raises(ModelFileError, match=r"yolo_v8 or end_to_end\? Say so by --layout"):
        inspect_model(file, COLOURS, NOTHING)

    named = inspect_model(file, COLOURS, NOTHING, ModelHints(layout="end_to_end"))
    assert named.output == inspect_model(file, COLOURS, SQUARES).output
    assert inspect_model(write_detector(tmp_path, "v8_rows"), COLOURS, NOTHING).output.layout == (
        "yolo_v8"  # whose rows are as many as its grid has places
    )


class TestExporter:
    """What Ultralytics leaves in the file counts where answers leave it open."""

    def write(self, folder: Path, form: str, entry: str, said: str) -> Path:
        file = write_detector(folder, form)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(entry, said)
        return file

    def test_it_says_that_detections_are_finished(self, tmp_path):
        """Then no picture needs to."""
        file = self.write(tmp_path, "e2e", "metadata.json", '{"task": "detect", "end2end": true}')

        assert inspect_model(file, COLOURS, NOTHING).output.layout == "end_to_end"

    def test_answers_overrule_it(self, tmp_path):
        """A file may have been changed since."""
        file = self.write(tmp_path, "v8_rows", "metadata.json", '{"args": {"nms": true}}')

        assert inspect_model(file, COLOURS, SQUARES).output.layout == "yolo_v8"

    def test_other_task_is_refused_by_its_name(self, tmp_path):
        """Its table may have a detector's shape."""
        file = self.write(tmp_path, "v8", "temp_meta.txt", "{'task': 'pose', 'names': {0: 'a'}}")

        with pytest.raises(ModelFileError, match=r"is a pose network.*task: pose"):
            inspect_model(file, COLOURS, SQUARES)

    def test_damaged_metadata_is_passed_over(self, tmp_path):
        """The shapes and the answers tell as well."""
        file = self.write(tmp_path, "v8", "metadata.json", "{")

        assert inspect_model(file, COLOURS, SQUARES).output.layout == "yolo_v8"


@pytest.mark.parametrize(
    ("shape", "labels", "kind"),
    [
        ((1, 25_200, 57), 53, None),
        ((1, 8_400, 57), 54, None),
        ((1, 57, 8_400), 2, None),
        ((1, 56, 8_400), 1, "a pose network.* or the 52 labels of a yolo_v8"),
    ],
)
def test_detector_whose_labels_are_miscounted_is_no_pose_network(shape, labels, kind):
    """Of one label only, where the shape cannot tell, is both said."""
    found = name_kind([shape], labels)

    assert found is None if kind is None else re.search(kind, str(found))


@pytest.mark.parametrize(
    ("shapes", "kind"),
    [
        ([(1, 1001)], "a classifier"),
        ([(1, 1, 1, 1001)], "a classifier"),
        ([(1, 257, 257, 21)], "heat maps or segmentation"),
        ([(1, 23, 17, 17), (1, 23, 17, 34), (1, 23, 17, 64)], "heat maps or segmentation"),
        ([(1, 1, 17, 3)], "a pose network"),
        ([(1, 37, 8400), (1, 160, 160, 32)], "a segmentation network"),
        ([(1, 52, 52, 255), (1, 26, 26, 255), (1, 13, 13, 255)], "grids have not been decoded"),
        ([(1, 40, 40, 810), (1, 20, 20, 810), (1, 40, 40, 36), (1, 20, 20, 36)], "not been decod"),
        ([(1, 19206, 90), (1, 19206, 4)], "90 scores for each of 19206 places.*anchors"),
        ([(1, 300, 57)], "a pose network"),
        ([(1, 12, 7)], None),
        ([(1, 9, 9), (1, 5), (1, 7), (1,)], None),
    ],
)
def test_what_is_no_detector_is_named(shapes, kind):
    """So that its owner knows what to look for."""
    found = name_kind(shapes)

    assert found is None if kind is None else re.search(kind, str(found))


def test_other_forms_of_a_network_are_not_judged_again(tmp_path):
    """Whether eight bits ruin one is for the gate to say."""
    file = write_detector(tmp_path, "v8_logits")

    settled = inspect_model(file, COLOURS, SQUARES, ModelHints(layout="yolo_v8", settled=True))

    assert settled.notes == ()


class TestBackground:
    def test_ssd_does_not_count_it(self, tmp_path):
        """The name goes, so that class 0 is the first that is counted."""
        file = write_detector(tmp_path, "ssd")

        inspection = inspect_model(file, ("background", *COLOURS), SQUARES)

        assert inspection.labels == COLOURS
        assert "The first label, background, was left out" in inspection.notes[0]
        assert found(tmp_path, file, inspection, COLOURS, SQUARES[0]) == painted(0)

    def test_model_that_counts_it_keeps_it(self, tmp_path):
        """Its answers say so: they reach the last of the names."""
        file = write_detector(tmp_path, "ssd_from_1")
        labels = ("background", *COLOURS)

        inspection = inspect_model(file, labels, SQUARES)

        assert inspection.labels == labels
        assert found(tmp_path, file, inspection, labels, SQUARES[0]) == painted(0)

    def test_it_goes_where_it_is_one_name_too_many(self, tmp_path):
        """YOLO has no class for it, as its shape says."""
        file = write_detector(tmp_path, "v8")

        inspection = inspect_model(file, ("background", *COLOURS), SQUARES)

        assert inspection.labels == COLOURS
        assert "background, was left out: the model answers for 2 classes" in inspection.notes[0]

    def test_end_to_end_counts_it_where_ultralytics_names_it(self, tmp_path):
        """It numbers all its names, whatever the pictures show."""
        file = write_detector(tmp_path, "e2e")
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("metadata.json", '{"end2end": true}')
        labels = ("background", *COLOURS)

        assert inspect_model(file, labels, SQUARES).labels == labels

    def test_end_to_end_counts_it_where_any_row_does(self, tmp_path):
        """A row that is sure of nothing tells, too, how classes are numbered."""
        file = write_detector(tmp_path, "e2e_faint")
        labels, named = ("background", "red"), ModelHints(layout="end_to_end")

        assert inspect_model(file, labels, SQUARES, named).labels == labels

    def test_yolo_that_learnt_it_keeps_it(self, tmp_path):
        """There the number of names decides."""
        inspection = inspect_model(write_detector(tmp_path, "v8"), ("background", "green"), SQUARES)

        assert inspection.labels == ("background", "green")


def rows(boxes: list[list[float]], scores: list[list[float]]) -> np.ndarray:
    table = np.concatenate([boxes, scores], axis=1)
    return np.tile(table, (FEWEST_ROWS, 1))


class TestJudging:
    def test_few_rows_tell_nothing_by_their_shares(self):
        """Chance would decide."""
        assert judge_yolo("yolo_v8", [np.full((5, 6), 9.0)]).impossible == ()

    def test_large_objects_are_no_corners(self):
        """One that fills the picture has a size beyond its middle, too."""
        large = rows([[0.5, 0.5, 0.9, 0.8], [0.4, 0.5, 0.7, 0.9]], [[0.9, 0.0], [0.0, 0.8]])

        assert judge_yolo("yolo_v8", [large]).resembles == ()

    def test_second_class_now_and_then_is_no_objectness(self):
        """A cat may look like a dog as well."""
        table = rows([[0.5, 0.5, 0.1, 0.1]] * 4, [[0.9, 0.0], [0.8, 0.4], [0.9, 0.1], [0.0, 0.7]])

        assert judge_yolo("yolo_v8", [table]).resembles == ()

    @pytest.mark.parametrize("width", [-0.1, 0.0])
    def test_boxes_without_a_size_are_impossible(self, width):
        """Whatever they are, they are no middles and sizes."""
        table = rows([[0.5, 0.5, width, 0.1]], [[0.9]])

        assert "no width or height" in judge_yolo("yolo_v8", [table]).impossible[0]

    def test_boxes_in_other_units_are_impossible(self):
        """Such as pixels of another size of input."""
        table = rows([[2.0, 1.5, 0.2, 0.2]], [[0.9]])

        assert "leave the picture" in judge_yolo("yolo_v8", [table]).impossible[0]

    def test_values_that_are_no_numbers_are_impossible(self):
        """A network that has come apart."""
        assert judge_yolo("yolo_v5", [np.full((40, 6), np.nan)]).impossible

    def test_scores_that_do_not_fall_are_not_finished(self):
        """YOLO's rows come by place, and its one class may be all or nothing."""
        table = np.array([[0.1, 0.1, 0.2, 0.2, 0.0, 0.0], [0.5, 0.5, 0.6, 0.6, 1.0, 0.0]])

        assert judge_end_to_end([table]) is None
        assert judge_end_to_end([table[::-1]]) is not None

    def test_empty_tables_are_not_finished(self):
        """All zeros fall, and are whole; they say nothing."""
        assert judge_end_to_end([np.zeros((40, 6))]) is None
