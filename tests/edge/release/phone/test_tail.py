"""What the graph does after a network is what the device's package does with the same answers."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from edge_detector.contract.manifest import HOLE, ROLES, InputSpec, OutputSpec, Thresholds
from edge_detector.inference.decoders.decoding import DecoderSpec, open_decoder
from edge_detector.inference.nms import nms
from edge_detector.inference.runtime import open_interpreter
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.inspection import Inspection
from edge.release.errors import ModelFileError
from edge.release.phone.tail import make_tail
from edge.release.validation.candidate import Candidate, Origin, make_candidate

HEIGHT, WIDTH = 64, 96
POINTS = 8 * 12 + 4 * 6
LABELS = ("bolt", HOLE, "nut", "washer")
THRESHOLDS = Thresholds(score=0.3, iou=0.4, max_detections=12, per_label={"nut": 0.6})
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "points": {"scores": (1, POINTS, 4), "distances": (1, POINTS, 4)},
    "yolo_v8": {"predictions": (1, 8, 90)},
    "yolo_v5": {"predictions": (1, 90, 9)},
    "yolo_v5 exchanged": {"predictions": (1, 9, 90)},
    "ssd": {"boxes": (1, 30, 4), "classes": (1, 30), "scores": (1, 30), "count": (1,)},
    "end_to_end": {"detections": (1, 30, 6)},
}


def candidate_of(folder: Path, form: str) -> Candidate:
    layout = form.partition(" ")[0]
    model = folder / "any.tflite"
    model.write_bytes(b"none")
    output = OutputSpec(
        layout=layout,  # type: ignore[arg-type]
        tensors={role: role for role in SHAPES[layout]},
        strides=(8, 16) if layout == "points" else (),
        normalised=layout == "yolo_v8",
    )
    spec = InputSpec(height=HEIGHT, width=WIDTH, dtype="float32", mean=0, std=255)
    origin = Origin("any", "1.0.0", LABELS, "0" * 64)
    return make_candidate(
        folder / layout, model, "as-is", origin, Inspection(spec, output), THRESHOLDS
    )


def draw(layout: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Answers with some objects, boxes that leave the picture, and empty ones."""
    if layout == "points":
        return {
            "scores": rng.normal(-1.5, 1.5, SHAPES[layout]["scores"]),
            "distances": rng.normal(1.5, 1.5, SHAPES[layout]["distances"]),
        }
    if layout == "ssd":
        corners = np.sort(rng.uniform(-0.2, 1.2, (1, 30, 2, 2)), axis=2).reshape(1, 30, 4)
        corners[0, 3, 2] = corners[0, 3, 0]  # no height
        return {
            "boxes": corners,
            "classes": rng.integers(0, 5, (1, 30)),
            "scores": -np.sort(-rng.uniform(0, 1, (1, 30))),
            "count": np.array([rng.integers(0, 31)]),
        }
    if layout == "end_to_end":
        corners = np.sort(rng.uniform(-0.2, 1.2, (1, 30, 2, 2)), axis=2).reshape(1, 30, 4)
        corners[0, 3, 2] = corners[0, 3, 0]  # no width
        corners *= np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
        others = rng.uniform(0, 1, (1, 30)), rng.integers(-1, 5, (1, 30))
        return {"detections": np.concatenate([corners, np.stack(others, axis=2)], axis=2)}
    boxes = np.concatenate([rng.uniform(0, 1, (90, 2)), rng.uniform(-0.05, 0.5, (90, 2))], axis=1)
    scores = rng.beta(0.5, 1.5, (90, 4 if layout == "yolo_v8" else 5))
    if layout == "yolo_v8":
        return {"predictions": np.concatenate([boxes, scores], axis=1).T[None]}
    boxes *= np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    table = np.concatenate([boxes, np.sqrt(scores)], axis=1)
    return {"predictions": (table if layout == "yolo_v5" else table.T)[None]}


def on_device(candidate: Candidate, answer: dict[str, np.ndarray]) -> list[tuple[float, ...]]:
    manifest = candidate.manifest
    needed = np.array(
        [np.inf if label == HOLE else THRESHOLDS.of(label) for label in LABELS], np.float64
    )
    tensors = {
        role: TensorInfo(number, role, values.shape, np.dtype(np.float32))
        for number, (role, values) in enumerate(answer.items())
    }
    decoder = open_decoder(DecoderSpec(manifest.output, manifest.input, tensors, needed))
    found = decoder.decode([answer[role] for role in ROLES[manifest.output.layout]])
    limit = THRESHOLDS.max_detections
    if decoder.has_nms:
        found = found.take(np.argsort(-found.scores, kind="stable")[:limit])
    else:
        kept = nms(found.boxes_xyxy, found.scores, found.class_ids, iou=THRESHOLDS.iou, limit=limit)
        found = found.take(kept)
    numbers = found.class_ids.astype(np.float32)
    columns = [found.scores[:, None], numbers[:, None], found.boxes_xyxy]
    return sorted(map(tuple, np.concatenate(columns, axis=1).tolist()))


def test_a_layout_without_steps_is_refused(tmp_path: Path) -> None:
    manifest = candidate_of(tmp_path, "ssd").manifest
    other = replace(manifest, output=SimpleNamespace(layout="words"))  # type: ignore[arg-type]
    with pytest.raises(ModelFileError, match="no file for phones of layout words"):
        make_tail(other, {})


@pytest.mark.parametrize("form", [each for each in SHAPES if each.split()[0] in ROLES])
def test_what_it_finds_is_what_a_device_finds(form: str, tmp_path: Path) -> None:
    candidate = candidate_of(tmp_path, form)
    file = tmp_path / "tail.tflite"
    file.write_bytes(make_tail(candidate.manifest, SHAPES[form]).write())
    interpreter, _ = open_interpreter(file)
    ask = interpreter.get_signature_runner()
    rng = np.random.default_rng(0)
    objects = 0
    for _ in range(40):
        answer = {role: values.astype(np.float32) for role, values in draw(form, rng).items()}
        finished = ask(**answer)
        shown = finished["scores"][0] > 0
        assert finished["count"] == len(shown)
        # Whatever threshold a phone is set to: what fills the places left has no width.
        left = finished["boxes"][0][~shown]
        assert (left[:, 2:] < left[:, :2]).all() and (finished["scores"][0][~shown] == 0).all()
        columns = [
            finished["scores"][0][shown, None],
            finished["classes"][0][shown, None],
            finished["boxes"][0][shown][:, [1, 0, 3, 2]],
        ]
        found = sorted(map(tuple, np.concatenate(columns, axis=1).tolist()))
        expected = on_device(candidate, answer)
        assert len(found) == len(expected)
        np.testing.assert_allclose(
            np.reshape(found, (-1, 6)), np.reshape(expected, (-1, 6)), atol=1e-5
        )
        objects += len(found)
    assert objects > 40
