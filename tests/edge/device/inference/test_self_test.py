"""What the self-test lets pass, and what not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from edge_detector.contract.manifest import Golden, GoldenDetection
from edge_detector.errors import ModelError, SchemaError
from edge_detector.inference.boxes import Box, Detection
from edge_detector.inference.detector import Detector, Raw
from edge_detector.inference.self_test import main, same_answer, self_test

from tests.edge.device.samples import (
    COCO_SSD,
    CONSTANT,
    DATA,
    DIGEST,
    coco_ssd_manifest,
    needs_data,
    read_photo,
)
from tests.edge.device.tiny import (
    GOLDEN_CELLS,
    SCORE,
    build_tiny,
    golden_detection,
    paint,
    tiny_manifest,
)


@pytest.fixture
def slot(tmp_path):
    """Writes a release of the tiny model into a folder."""

    def write(*golden, variant="float32", frame=None):
        manifest = tiny_manifest(variant)
        if golden:
            picture = replace(manifest.golden[0], detections=golden)
            manifest = replace(manifest, golden=(picture,))
        (tmp_path / "model.tflite").write_bytes(build_tiny(variant))
        (tmp_path / "manifest.json").write_bytes(manifest.to_json())
        shown = paint(*GOLDEN_CELLS) if frame is None else frame
        cv2.imwrite(str(tmp_path / "golden-0.png"), shown)
        return tmp_path

    return write


def golden_manifest(manifest, detections, file="golden-0.png"):
    picture = Golden(
        file=file,
        sha256=DIGEST,
        size=1,
        detections=tuple(
            GoldenDetection(
                label=one.label,
                score=one.score,
                box=(one.box.x0, one.box.y0, one.box.x1, one.box.y1),
            )
            for one in detections
        ),
    )
    return replace(manifest, golden=(picture,))


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_good_release_passes_and_says_so(slot, capsys, variant):
    """One line with name, version and runtime."""
    main(slot(variant=variant))

    said = capsys.readouterr().out
    assert said.startswith("tiny 1.2.3 passed on 1 picture with ") and said.count("\n") == 1


def test_rounding_decides_nothing(slot):
    """A pixel here, a tenth of a score there, and what hardly counted may be missing."""
    folder = slot(
        replace_box(golden_detection("red", 2, 1), 0.4),
        replace(golden_detection("blue", 5, 6), score=SCORE - 0.14),
        golden_detection("green", 0, 0, score=0.6),  # just above the threshold, and not there
    )

    main(folder)


def replace_box(detection, shift):
    x0, y0, x1, y1 = (edge + shift for edge in detection.box)
    return replace(detection, box=(x0, y0, x1, y1))


def test_small_boxes_may_move_by_a_hundredth_of_the_picture(slot):
    """Quantised places come in steps, which are much for a small box; but no more than that."""
    blue = golden_detection("blue", 5, 6)
    moved = replace_box(golden_detection("red", 2, 1), 0.63)
    assert Box(*moved.box).iou(Box(8, 16, 16, 24)) < 0.8

    main(slot(moved, blue))
    with pytest.raises(ModelError, match="did not find red"):
        main(slot(replace_box(moved, 0.1), blue))


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        ([("red", 2, 1), ("blue", 5, 6), ("green", 0, 0)], "did not find green 0.99 at 0,0 to 8,8"),
        ([("red", 2, 1), ("green", 5, 6)], "did not find green"),
        ([("red", 2, 1), ("blue", 5, 5)], "did not find blue"),
        ([("red", 2, 1), ("red", 2, 1), ("blue", 5, 6)], "did not find red"),
        ([("red", 2, 1)], "also found blue 0.99 at 48,40 to 56,48"),
    ],
)
def test_model_that_sees_something_else_fails(slot, golden, message):
    """Missing, another label, another place, fewer of them, or more."""
    with pytest.raises(ModelError, match=rf"golden-0\.png the model {message}"):
        main(slot(*(golden_detection(*cell) for cell in golden)))


def test_other_score_fails(slot):
    """Surer than its publisher saw it, or much less: not the same model."""
    with pytest.raises(ModelError, match="did not find red"):
        main(slot(golden_detection("red", 2, 1, score=0.7), golden_detection("blue", 5, 6)))


def test_model_that_answers_always_the_same_fails(slot):
    """A picture of nothing as golden picture proves nothing about the model."""
    blank = np.full((64, 64, 3), 127, np.uint8)
    folder = slot(golden_detection("green", 0, 0, score=0.5), frame=blank)

    with pytest.raises(ModelError, match=r"answers the same to golden-0\.png"):
        main(folder)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_golden_picture_that_cannot_be_read_is_named(slot, content):
    """Missing, empty, or something else."""
    folder = slot()
    (folder / "golden-0.png").unlink()
    if content is not None:
        (folder / "golden-0.png").write_bytes(content)

    with pytest.raises(ModelError, match=r"golden-0\.png"):
        main(folder)


def test_same_answer_by_other_numbers_fails(slot):
    """A model may see that the picture is another and still say the same of it."""
    folder = slot(*(golden_detection(*cell) for cell in GOLDEN_CELLS))

    class Stubborn(Detector):
        def infer(self, prepared):
            shown = super().infer(self.prepare(paint(*GOLDEN_CELLS)))
            scores, distances = shown.outputs
            scores[0, 0] -= prepared.tensor.mean()  # of a cell where nothing is
            return Raw((scores, distances), shown.geometry)

    with pytest.raises(ModelError, match="answers the same"):
        self_test(Stubborn(folder / "model.tflite", tiny_manifest()), folder)


def test_folder_without_manifest_is_no_release(tmp_path):
    """It says where it looked."""
    with pytest.raises(SchemaError, match=r"no readable manifest\.json"):
        main(tmp_path)


def test_answers_are_the_same_when_all_of_them_are():
    """Nothing is no answer; one that moved makes another."""
    one = Detection("bolt", 0, 0.5, Box(0, 0, 100, 100))
    other = Detection("bolt", 0, 0.5, Box(200, 0, 300, 100))

    assert same_answer([one, other], [other, one])
    assert not same_answer([one, other], [one, one])
    assert not same_answer([one, other], [one])
    assert not same_answer([one], [replace(one, box=one.box.translate(3, 0))])
    assert not same_answer([one], [replace(one, score=0.6)])
    assert not same_answer([], [])


@needs_data
@pytest.mark.parametrize("photo", ["grace_hopper.bmp", "pets.jpg", "cat.bmp"])
def test_constant_model_fails_on_its_own_answers(photo):
    """Ten boxes at 0.5 for every picture: compared with itself alone it would be perfect."""
    frame = read_photo(f"photos/{photo}")
    manifest = coco_ssd_manifest()
    manifest = golden_manifest(manifest, Detector(CONSTANT, manifest).detect(frame), photo)
    assert len(manifest.golden[0].detections) == 10

    with pytest.raises(ModelError, match=f"answers the same to {photo}"):
        self_test(Detector(CONSTANT, manifest), DATA / "photos")


@needs_data
@pytest.mark.parametrize("photo", ["grace_hopper.bmp", "pets.jpg", "cat.bmp"])
def test_real_model_passes_on_its_own_answers(photo):
    """And the constant one does not pass on them."""
    frame = read_photo(f"photos/{photo}")
    manifest = coco_ssd_manifest()
    manifest = golden_manifest(manifest, Detector(COCO_SSD, manifest).detect(frame), photo)

    self_test(Detector(COCO_SSD, manifest), DATA / "photos")
    with pytest.raises(ModelError, match="did not find"):
        self_test(Detector(CONSTANT, manifest), DATA / "photos")
