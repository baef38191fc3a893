"""A variant's metrics come from the code that a device runs, and its faults show in them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edge_detector.contract.manifest import Manifest, Thresholds
from edge_detector.inference.boxes import Detection
from edge_detector.inference.detector import Raw
from edge_detector.inference.self_test import self_test

from edge.release.conversion.inspection import inspect_model
from edge.release.datasets.annotations import read_dataset
from edge.release.datasets.label_file import open_labels
from edge.release.datasets.pictures import Image
from edge.release.errors import ModelFileError
from edge.release.validation.benchmark import Benchmark, BenchmarkError
from edge.release.validation.candidate import Candidate, Origin, make_candidate
from edge.release.validation.evaluate import CURVE_THRESHOLD
from edge.release.validation.source import SourceDetector
from edge.release.validation.timing import TimingPlan
from edge.release.validation.validation import (
    agree,
    constant_answer,
    differ,
    evaluate_candidate,
    parity,
    validate_all,
)
from tests.edge.device.samples import CONSTANT, DATA, needs_data, read_photo
from tests.edge.device.tiny import paint
from tests.edge.release.cells import candidate_of, detection, draw_cells, open_cells, write_labelled
from tests.edge.release.squares import COLOURS, SQUARES, write_detector

PICTURES = [paint(*draw_cells(9, seed)) for seed in range(3)]
THRESHOLDS = Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={"blue": 0.2})
A, B = (0.0, 0.0, 20.0, 20.0), (30.0, 0.0, 50.0, 20.0)
QUICK = TimingPlan(threads=(1,), seconds=0.05)


def source_of(folder: Path, fault: str = "") -> SourceDetector:
    return SourceDetector(open_cells(fault), candidate_of(folder, "float32", fault))


def finished_of(folder: Path, form: str) -> Candidate:
    """A detector of squares that sorts out what it finds."""
    file = write_detector(folder, form)
    origin = Origin("squares", "1.0.0", COLOURS, "0" * 64)
    inspection = inspect_model(file, COLOURS, SQUARES)
    thresholds = replace(THRESHOLDS, per_label={})
    return make_candidate(folder / "made", file, "float16", origin, inspection, thresholds)


class Noisy:
    """A candidate beside which its own rows are rounded otherwise, and sorted by score."""

    def __init__(self, candidate: Candidate, score: float = 1.0, shift: float = 0.0) -> None:
        self._detector = candidate.open(CURVE_THRESHOLD)
        self._ssd = candidate.manifest.output.layout == "ssd"
        self._score, self._shift = score, shift

    def outputs(self, frame: Image) -> tuple[np.ndarray, ...]:
        raw = self._detector.infer(self._detector.prepare(frame)).outputs
        if self._ssd:
            boxes, classes, scores, count = raw
            scores, order = self._mixed(scores[0])
            return boxes[:, order] + self._shift, classes[:, order], scores[None], count
        table = raw[0][0].copy()
        table[:, :4] += self._shift
        table[:, 4], order = self._mixed(table[:, 4])
        table[:, :4], table[:, 5] = table[order, :4], table[order, 5]
        return (table[None],)

    def detect(self, frame: Image) -> list[Detection]:
        geometry = self._detector.prepare(frame).geometry
        return self._detector.read(Raw(self.outputs(frame), geometry))

    def _mixed(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        noise = np.random.default_rng(0).normal(0, 2e-4, scores.shape)
        noisy = (scores * self._score + noise).astype(np.float32)
        order = np.argsort(-noisy)
        return noisy[order], order


def time_picture(python: Path, candidate: Candidate, picture: Path) -> None:
    with Benchmark(python, candidate.folder, picture, threads=1) as benchmark:
        benchmark.round(QUICK.seconds)


class TestAgreement:
    def test_same_things_agree(self):
        """Each side's objects are looked for on the other."""
        found = [detection("red", 0.9, A), detection("blue", 0.8, B)]

        result = agree(found, found, THRESHOLDS)

        assert (result.matched, result.compared, result.share) == (4, 4, 1)

    def test_lost_and_new_objects_count_alike(self):
        """One is missing, one is too much: two of six have no counterpart."""
        one = [detection("red", 0.9, A), detection("red", 0.9, B)]
        other = [detection("red", 0.9, A)]

        assert agree(one, other, THRESHOLDS).share == pytest.approx(2 / 3)
        assert agree(other, one, THRESHOLDS).share == pytest.approx(2 / 3)

    def test_what_lies_near_the_threshold_does_not_count(self):
        """On which side of it something falls is chance; each label has its own."""
        doubtful = [detection("red", 0.6, A), detection("blue", 0.3, B)]

        assert agree(doubtful, [], THRESHOLDS).compared == 0

    def test_clear_object_may_be_a_little_below_on_the_other_side(self):
        """But not gone."""
        clear = [detection("red", 0.7, A)]

        assert agree(clear, [detection("red", 0.4, A)], THRESHOLDS).share == 1
        assert agree(clear, [detection("red", 0.2, A)], THRESHOLDS).share == 0

    def test_other_places_and_names_do_not_match(self):
        """And one object is the counterpart of one only."""
        clear = [detection("red", 0.9, A)]

        assert agree(clear, [detection("green", 0.9, A)], THRESHOLDS).share == 0
        assert agree(clear, [detection("red", 0.9, B)], THRESHOLDS).share == 0
        assert agree([*clear, *clear], clear, THRESHOLDS).matched == 2


class TestParity:
    def test_source_and_float32_answer_alike(self, tmp_path):
        """To rounding; and the source finds what was painted."""
        source = source_of(tmp_path)

        found = parity(candidate_of(tmp_path, "float32"), source, PICTURES)

        assert found.largest_difference < 1e-5
        assert found.agreement.share == 1 and found.agreement.compared == 2 * 27
        assert len(source.detect(PICTURES[0])) == 9

    def test_int8_differs_and_agrees(self, tmp_path):
        """Its outputs are coarse; what it finds is the same."""
        dim = [(picture * 0.9).astype(np.uint8) for picture in PICTURES]

        found = parity(candidate_of(tmp_path, "int8"), source_of(tmp_path), dim)

        assert 1e-4 < found.largest_difference < 0.1
        assert found.agreement.share == 1

    def test_variant_that_eight_bits_ruin_disagrees(self, tmp_path):
        """One class with values thousands of times as large takes the range of all."""
        source = source_of(tmp_path, "crude")

        whole = parity(candidate_of(tmp_path, "float32", "crude"), source, PICTURES)
        coarse = parity(candidate_of(tmp_path, "int8", "crude"), source, PICTURES)

        assert whole.agreement.share == 1
        assert coarse.agreement.share < 0.5


class TestFinishedDetections:
    """Their rows are sorted by score, so that a rounding exchanges them."""

    @pytest.mark.parametrize("form", ["e2e", "ssd"])
    def test_order_of_rows_is_no_difference(self, tmp_path, form):
        """Half a thousandth exchanges objects that are as sure, and that is all it does."""
        candidate = finished_of(tmp_path, form)

        found = parity(candidate, Noisy(candidate), SQUARES)

        assert 1e-5 < found.largest_difference < 1e-3
        assert found.agreement.share == 1 and found.agreement.compared == 2 * 24

    def test_many_rows_are_compared_by_what_they_mean(self):
        """300 of them, in another order."""
        rng = np.random.default_rng(0)
        one = [
            detection("red", 0.6 + 0.3 * rng.random(), (x, y, x + 20, y + 20))
            for x in range(0, 600, 30)
            for y in range(0, 450, 30)
        ]
        other = [replace(each, score=each.score + rng.normal(0, 5e-4)) for each in one]
        other.sort(key=lambda each: -each.score)

        assert len(one) == 300
        assert differ([(one, other, 640)], THRESHOLDS) < 5e-3

    @pytest.mark.parametrize(
        ("form", "wrong"),
        [("e2e", {"score": 0.9}), ("e2e", {"shift": 0.05}), ("ssd", {"score": 0.9})],
    )
    def test_wrong_conversion_is_a_difference(self, tmp_path, form, wrong):
        """Scores or boxes that are all a little wrong, too little to be other objects."""
        candidate = finished_of(tmp_path, form)

        assert parity(candidate, Noisy(candidate, **wrong), SQUARES).largest_difference > 0.02

    def test_objects_near_the_threshold_are_compared_too(self):
        """Else a conversion that finds others entirely would pass where nothing is sure."""
        one, other = [detection("red", 0.55, A)], [detection("red", 0.55, B)]

        assert agree(one, other, THRESHOLDS).share == 1
        assert differ([(one, other, 640)], THRESHOLDS) == 1
        assert differ([(one, one, 640)], THRESHOLDS) == 0
        assert differ([([], [], 640)], THRESHOLDS) == 0


class TestConstantAnswer:
    def test_model_that_looks_is_none(self, tmp_path):
        """One picture is enough to tell."""
        assert constant_answer(candidate_of(tmp_path, "float32"), PICTURES[:1]) is None

    @pytest.mark.parametrize("variant", ["float32", "int8"])
    def test_blind_model_is_told_with_its_answer(self, tmp_path, variant):
        """The same boxes whatever it sees."""
        found = constant_answer(candidate_of(tmp_path, variant, "blind"), PICTURES[:1])

        assert found is not None and found.startswith("64 boxes at 0.99 (first: red)")


class TestValidate:
    @pytest.fixture
    def variant(self, tmp_path) -> Candidate:
        return candidate_of(tmp_path, "int8")

    def test_validation_holds_all_metrics(self, tmp_path, variant):
        """Accuracy, parity, golden answers, time, memory and size."""
        dataset = read_dataset(write_labelled(tmp_path / "labelled", count=2))
        source = source_of(tmp_path)
        plan = replace(QUICK, threads=(1, 2))

        (validation,) = validate_all(
            [variant], [evaluate_candidate(variant, dataset)], PICTURES, plan, source
        )

        metrics = validation.metrics
        assert metrics.accuracy is not None and metrics.accuracy.map_50 == pytest.approx(1)
        assert metrics.parity is not None and metrics.parity.agreement.share == 1
        assert (metrics.constant, metrics.self_test) == (None, None)
        assert (metrics.found, metrics.golden) == (27, 3)
        assert metrics.bytes == variant.model.stat().st_size
        assert [timing.threads for timing in metrics.timings] == [1, 2]
        assert metrics.timing.threads == 1
        assert 0 < metrics.timing.infer_p50_ms <= metrics.timing.p50_ms <= metrics.timing.p99_ms
        assert 20e6 < metrics.timing.peak_bytes < 250e6

    def test_folder_is_the_release_of_a_device(self, variant):
        """Manifest, model and pictures: its own self-test passes on them."""
        (validation,) = validate_all([variant], [None], PICTURES, QUICK)

        folder = validation.candidate.folder
        manifest = Manifest.from_json((folder / "manifest.json").read_bytes())
        assert manifest == validation.candidate.manifest
        assert {file.name for file in folder.iterdir()} == {
            *("manifest.json", "model.tflite"),
            *("golden-0.png", "golden-1.png", "golden-2.png"),
        }
        self_test(validation.candidate.open(), folder)

    def test_self_test_that_fails_is_told(self, tmp_path):
        """A model that answers the same to a picture of nothing."""
        blind = candidate_of(tmp_path, "float32", "blind")

        (validation,) = validate_all([blind], [None], PICTURES, QUICK)

        assert validation.metrics.self_test is not None
        assert "answers the same" in validation.metrics.self_test

    def test_runtime_that_cannot_be_measured_is_noted(self, tmp_path, variant):
        """The first has to run, others are a bonus."""
        absent = tmp_path / "no-python"
        beside = replace(QUICK, pythons=(*QUICK.pythons, absent))

        (validation,) = validate_all([variant], [None], PICTURES, beside)

        assert len(validation.metrics.timings) == 1
        assert "int8 was not timed" in validation.notes[0]
        with pytest.raises(ModelFileError, match="int8 cannot be run"):
            validate_all([variant], [None], PICTURES, replace(QUICK, pythons=(absent,)))

    def test_other_pythons_get_our_package_alone(self, tmp_path, variant):
        """Not what lies beside it, which was installed for this one."""
        python = tmp_path / "python"
        python.write_text('#!/bin/sh\nls "$PYTHONPATH" >&2\n')
        python.chmod(0o755)

        with pytest.raises(BenchmarkError, match=r": edge_detector$"):
            time_picture(python, variant, tmp_path / "nothing.png")

    def test_benchmark_says_what_went_wrong(self, tmp_path, variant):
        """The last line that the process wrote."""
        with pytest.raises(BenchmarkError, match=r"nothing\.png cannot be read as an image"):
            time_picture(Path(sys.executable), variant, tmp_path / "nothing.png")


@needs_data
def test_file_with_ten_boxes_for_everything_is_found_out(tmp_path):
    """As it was published by somebody: ten persons at 0.50, whatever is on the picture."""
    labels = open_labels(DATA / "labels" / "coco_ssd_labelmap_nazmul.txt").names
    picture = read_photo("photos/cat.bmp")
    thresholds = Thresholds(score=0.5, iou=0.6, max_detections=100, per_label={})
    made = make_candidate(
        tmp_path / "as-is",
        CONSTANT,
        "as-is",
        Origin("constant", "1.0.0", labels, "0" * 64),
        inspect_model(CONSTANT, labels, [picture]),
        thresholds,
    )

    assert constant_answer(made, [picture]) == "10 boxes at 0.50 (first: person)"


def test_pictures_stay_as_they_are(tmp_path):
    """Looking changes nothing in what is looked at."""
    before = [picture.copy() for picture in PICTURES]

    constant_answer(candidate_of(tmp_path, "float32"), PICTURES)

    assert all(np.array_equal(a, b) for a, b in zip(before, PICTURES, strict=True))
