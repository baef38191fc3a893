"""A variant's figures come from the code that a device runs, and its faults show in them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edge_detector.contract.manifest import Manifest, Thresholds
from edge_detector.updates.self_test import self_test

from edge.release.conversion.inspection import describe
from edge.release.datasets.annotations import read_dataset
from edge.release.datasets.label_file import read_labels
from edge.release.errors import ModelFileError
from edge.release.validation.bench import Bench
from edge.release.validation.benchmark import StopwatchError, time_model
from edge.release.validation.candidate import Draft, Origin, draft
from edge.release.validation.evaluate import CURVE_THRESHOLD
from edge.release.validation.source import SourceDetector
from edge.release.validation.validation import (
    agree,
    constant_answer,
    evaluate_variant,
    parity,
    prove,
)
from tests.edge.device.samples import CONSTANT, DATA, needs_data, read_photo
from tests.edge.device.tiny import paint
from tests.edge.release.cells import detection, draft_of, draw_cells, open_cells, write_labelled

PICTURES = [paint(*draw_cells(9, seed)) for seed in range(3)]
THRESHOLDS = Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={"blue": 0.2})
A, B = (0.0, 0.0, 20.0, 20.0), (30.0, 0.0, 50.0, 20.0)
QUICK = 0.05  # s


def source_of(folder: Path, fault: str = "") -> SourceDetector:
    return SourceDetector(open_cells(fault), draft_of(folder, "float32", fault), CURVE_THRESHOLD)


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

        found = parity(draft_of(tmp_path, "float32"), source, PICTURES)

        assert found.largest_difference < 1e-5
        assert found.agreement.share == 1 and found.agreement.compared == 2 * 27
        assert len(source.detect(PICTURES[0])) == 9

    def test_int8_differs_and_agrees(self, tmp_path):
        """Its outputs are coarse; what it finds is the same."""
        dim = [(picture * 0.9).astype(np.uint8) for picture in PICTURES]

        found = parity(draft_of(tmp_path, "int8"), source_of(tmp_path), dim)

        assert 1e-4 < found.largest_difference < 0.1
        assert found.agreement.share == 1

    def test_variant_that_eight_bits_ruin_disagrees(self, tmp_path):
        """One class with values thousands of times as large takes the range of all."""
        source = source_of(tmp_path, "crude")

        whole = parity(draft_of(tmp_path, "float32", "crude"), source, PICTURES)
        coarse = parity(draft_of(tmp_path, "int8", "crude"), source, PICTURES)

        assert whole.agreement.share == 1
        assert coarse.agreement.share < 0.5


class TestConstantAnswer:
    def test_model_that_looks_is_none(self, tmp_path):
        """One picture is enough to tell."""
        assert constant_answer(draft_of(tmp_path, "float32"), PICTURES[:1]) is None

    @pytest.mark.parametrize("variant", ["float32", "int8"])
    def test_blind_model_is_told_with_its_answer(self, tmp_path, variant):
        """The same boxes whatever it sees."""
        found = constant_answer(draft_of(tmp_path, variant, "blind"), PICTURES[:1])

        assert found is not None and found.startswith("64 boxes at 0.99 (first: red)")


class TestProve:
    @pytest.fixture
    def variant(self, tmp_path) -> Draft:
        return draft_of(tmp_path, "int8")

    def test_proof_holds_all_figures(self, tmp_path, variant):
        """Accuracy, parity, golden answers, time, memory and size."""
        dataset = read_dataset(write_labelled(tmp_path / "labelled", count=2))
        source = source_of(tmp_path)
        bench = Bench(PICTURES, source, threads=(1, 2), seconds=QUICK)

        proof = prove(variant, bench, evaluate_variant(variant, dataset))

        figures = proof.figures
        assert figures.accuracy is not None and figures.accuracy.map_50 == pytest.approx(1)
        assert figures.parity is not None and figures.parity.agreement.share == 1
        assert (figures.constant, figures.self_test) == (None, None)
        assert (figures.found, figures.golden) == (27, 3)
        assert figures.bytes == variant.model.stat().st_size
        assert [timing.threads for timing in figures.timings] == [1, 2]
        assert figures.timing.threads == 1
        assert 0 < figures.timing.infer_p50_ms <= figures.timing.p50_ms <= figures.timing.p99_ms
        assert 20e6 < figures.timing.peak_bytes < 250e6

    def test_folder_is_the_release_of_a_device(self, variant):
        """Manifest, model and pictures: its own self-test passes on them."""
        proof = prove(variant, Bench(PICTURES, threads=(1,), seconds=QUICK))

        folder = proof.draft.folder
        manifest = Manifest.from_json((folder / "manifest.json").read_bytes())
        assert manifest == proof.draft.manifest
        assert {file.name for file in folder.iterdir()} == {
            *("manifest.json", "model.tflite"),
            *("golden-0.png", "golden-1.png", "golden-2.png"),
        }
        self_test(proof.draft.open(), folder)

    def test_self_test_that_fails_is_told(self, tmp_path):
        """A model that answers the same to a picture of nothing."""
        proof = prove(
            draft_of(tmp_path, "float32", "blind"), Bench(PICTURES, threads=(1,), seconds=QUICK)
        )

        assert proof.figures.self_test is not None
        assert "answers the same" in proof.figures.self_test

    def test_runtime_that_cannot_be_measured_is_noted(self, tmp_path, variant):
        """The first has to run, others are a bonus."""
        bench = Bench(PICTURES, threads=(1,), seconds=QUICK)

        proof = prove(variant, bench.beside([tmp_path / "no-python"]))

        assert len(proof.figures.timings) == 1
        assert "int8 was not timed" in proof.notes[0]
        with pytest.raises(ModelFileError, match="int8 cannot be run"):
            prove(variant, replace(bench, pythons=(tmp_path / "no-python",)))

    def test_other_pythons_get_our_package_alone(self, tmp_path, variant):
        """Not what lies beside it, which was installed for this one."""
        python = tmp_path / "python"
        python.write_text('#!/bin/sh\nls "$PYTHONPATH" >&2\n')
        python.chmod(0o755)

        with pytest.raises(StopwatchError, match=r": edge_detector$"):
            time_model(python, variant.folder, tmp_path / "nothing.png", 1, QUICK)

    def test_stopwatch_says_what_went_wrong(self, tmp_path, variant):
        """The last line that the process wrote."""
        with pytest.raises(StopwatchError, match=r"nothing\.png cannot be read as an image"):
            time_model(Path(sys.executable), variant.folder, tmp_path / "nothing.png", 1, QUICK)


@needs_data
def test_file_with_ten_boxes_for_everything_is_found_out(tmp_path):
    """As it was published by somebody: ten persons at 0.50, whatever is on the picture."""
    labels = read_labels(DATA / "labels" / "coco_ssd_labelmap_nazmul.txt")
    picture = read_photo("photos/cat.bmp")
    thresholds = Thresholds(score=0.5, iou=0.6, max_detections=100, per_label={})
    made = draft(
        tmp_path / "as-is",
        CONSTANT,
        "as-is",
        Origin("constant", "1.0.0", labels, "0" * 64),
        describe(CONSTANT, labels, [picture]),
        thresholds,
    )

    assert constant_answer(made, [picture]) == "10 boxes at 0.50 (first: person)"


def test_pictures_stay_as_they_are(tmp_path):
    """Looking changes nothing in what is looked at."""
    before = [picture.copy() for picture in PICTURES]

    constant_answer(draft_of(tmp_path, "float32"), PICTURES)

    assert all(np.array_equal(a, b) for a, b in zip(before, PICTURES, strict=True))
