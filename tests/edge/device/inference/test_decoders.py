"""What the decoder of each layout promises: the same as plain loops, in every number format."""

import math
from importlib import import_module
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from edge_detector.contract.manifest import ROLES, InputSpec, Layout, OutputSpec
from edge_detector.errors import ModelError
from edge_detector.inference.decoders import decoding
from edge_detector.inference.decoders.decoding import Candidates, DecoderSpec, open_decoder
from edge_detector.inference.nms import nms
from edge_detector.inference.tensors import TensorInfo

from tests.edge.device import plain
from tests.edge.device.samples import SSD_OUTPUT

SPEC = InputSpec(height=50, width=70, dtype="uint8", mean=0.0, std=255.0)  # no multiple of a stride
STRIDES = (8, 16, 32)
POINTS = 7 * 9 + 4 * 5 + 2 * 3
POINTS_OUTPUT = OutputSpec(
    layout="points", tensors={"scores": "s", "distances": "d"}, strides=STRIDES
)
FORMATS = ["float32", "int8", "uint8"]
THRESHOLDS = {
    "one for all": [0.5, 0.5, 0.5, 0.5],
    "one each": [0.3, 0.9, 0.55, 0.7],
    "some never": [0.4, math.inf, 0.4, math.inf],
    "everything": [0.0, 0.0, 0.0, 0.0],
    "nothing": [1.0, 1.0, 1.0, 1.0],
    "never": [math.inf] * 4,
}


def tensor(real, dtype, low, high):
    """Random real values in a tensor's own format: its description, its values, their meaning."""
    shape = real.shape
    if dtype == "float32":
        info = TensorInfo(0, "t", shape, np.dtype(dtype))
        return info, real.astype(np.float32), real.astype(np.float32)
    bounds = np.iinfo(dtype)
    scale = (high - low) / 255
    zero_point = round(bounds.min - low / scale)
    info = TensorInfo(0, "t", shape, np.dtype(dtype), scale, zero_point)
    values = np.clip(np.rint(real / scale + zero_point), bounds.min, bounds.max).astype(dtype)
    return info, values, (values.astype(np.float64) - zero_point) * scale


def found(candidates: Candidates):
    return list(
        zip(
            map(tuple, candidates.boxes_xyxy.tolist()),
            candidates.scores.tolist(),
            candidates.class_ids.tolist(),
            strict=True,
        )
    )


def place(candidate):
    """An order that rounding does not change."""
    box, score, class_id = candidate
    return class_id, round(score, 3), *(round(edge, 3) for edge in box)


def assert_same(candidates, expected):
    """Classes, boxes and scores, in any order."""
    got, expected = sorted(found(candidates), key=place), sorted(expected, key=place)
    assert len(got) == len(expected)
    if expected:
        (boxes, scores, class_ids), expected = zip(*got, strict=True), zip(*expected, strict=True)
        expected_boxes, expected_scores, expected_ids = expected
        assert class_ids == expected_ids
        assert np.allclose(boxes, expected_boxes, atol=1e-5)
        assert np.allclose(scores, expected_scores, atol=1e-5)


def test_each_layout_of_the_manifest_has_its_own_decoder():
    """A module of the layout's name, and no module but these and what they share."""
    layouts = set(get_args(Layout))
    names = {path.stem for path in Path(decoding.__file__).parent.glob("*.py")}

    assert names - {"__init__", "decoding"} == layouts == set(ROLES)
    decoders = {import_module(f"{decoding.__package__}.{layout}").Decoder for layout in layouts}
    assert len(decoders) == len(layouts)


@pytest.mark.parametrize("thresholds", THRESHOLDS.values(), ids=THRESHOLDS.keys())
@pytest.mark.parametrize("dtype", FORMATS)
def test_points_are_read_as_plain_loops_read_them(dtype, thresholds):
    """Three grids that do not divide the input; logits and distances of scales of their own."""
    random = np.random.default_rng(1)
    scores = tensor(random.normal(-1, 2, (1, POINTS, 4)), dtype, -8, 8)
    distances = tensor(random.uniform(-0.5, 4, (1, POINTS, 4)), dtype, -1, 5)
    tensors = {"scores": scores[0], "distances": distances[0]}
    decoder = open_decoder(DecoderSpec(POINTS_OUTPUT, SPEC, tensors, np.array(thresholds)))

    candidates = decoder.decode((scores[1], distances[1]))

    assert_same(
        candidates,
        plain.points(
            scores[2][0],
            distances[2][0],
            height=SPEC.height,
            width=SPEC.width,
            strides=STRIDES,
            thresholds=thresholds,
        ),
    )
    assert not decoder.has_nms


def test_point_lies_in_the_middle_of_its_cell():
    """Distances count from there in strides: one box by hand."""
    output = OutputSpec(layout="points", tensors={"scores": "s", "distances": "d"}, strides=(16,))
    spec = InputSpec(height=32, width=64, dtype="uint8", mean=0.0, std=255.0)
    infos = {
        "scores": TensorInfo(0, "s", (1, 8, 1), np.dtype("float32")),
        "distances": TensorInfo(1, "d", (1, 8, 4), np.dtype("float32")),
    }
    scores = np.full((1, 8, 1), -9, np.float32)
    distances = np.zeros((1, 8, 4), np.float32)
    scores[0, 5] = 0  # second row, second column: middle at 24, 24
    distances[0, 5] = [0.5, 1, 1.5, 0.25]

    candidates = open_decoder(DecoderSpec(output, spec, infos, np.array([0.5]))).decode(
        (scores, distances)
    )

    assert candidates.boxes_xyxy.tolist() == [[16 / 64, 8 / 32, 48 / 64, 28 / 32]]
    assert candidates.scores.tolist() == [0.5]


@pytest.mark.parametrize("thresholds", THRESHOLDS.values(), ids=THRESHOLDS.keys())
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("form", ["v8", "v8, classes last", "v5", "v5, classes first"])
def test_yolo_is_read_as_plain_loops_read_it(form, normalised, dtype, thresholds):
    """Middle and size in pixels or parts of the input, classes before or after the places."""
    random = np.random.default_rng(2)
    objectness = form.startswith("v5")
    width, height = (1, 1) if normalised else (SPEC.width, SPEC.height)
    rows = random.uniform(0, 1, (1, 90, 9 if objectness else 8))
    rows[..., :4] *= [width, height, width, height]
    info, values, real = tensor(rows, dtype, 0, max(1.1, width))
    if form in ("v8", "v5, classes first"):
        values = np.ascontiguousarray(values.transpose(0, 2, 1))
        info = TensorInfo(0, "p", values.shape, info.dtype, info.scale, info.zero_point)
    output = OutputSpec(
        layout="yolo_v5" if objectness else "yolo_v8",
        tensors={"predictions": "p"},
        normalised=normalised,
    )
    decoder = open_decoder(DecoderSpec(output, SPEC, {"predictions": info}, np.array(thresholds)))

    candidates = decoder.decode((values,))

    assert_same(
        candidates,
        plain.yolo(
            real[0], width=width, height=height, objectness=objectness, thresholds=thresholds
        ),
    )
    assert not decoder.has_nms


@pytest.mark.parametrize("thresholds", THRESHOLDS.values(), ids=THRESHOLDS.keys())
@pytest.mark.parametrize("count", [0, 1, 7, 20, 99])
def test_ssd_is_read_as_plain_loops_read_it(count, thresholds):
    """No more than are counted, none of a class without label; boxes may stick out."""
    random = np.random.default_rng(3)
    corners = np.sort(random.uniform(-0.2, 1.2, (1, 20, 2, 2)), axis=2).reshape(1, 20, 4)
    outputs = (
        corners.astype(np.float32),
        random.integers(-1, 6, (1, 20)).astype(np.float32),
        random.uniform(0, 1, (1, 20)).astype(np.float32),
        np.array([count], np.float32),
    )
    roles = ("boxes", "classes", "scores", "count")
    infos = {
        role: TensorInfo(0, role, output.shape, output.dtype)
        for role, output in zip(roles, outputs, strict=True)
    }
    decoder = open_decoder(DecoderSpec(SSD_OUTPUT, SPEC, infos, np.array(thresholds)))

    candidates = decoder.decode(outputs)

    boxes, classes, scores, _ = outputs
    expected = plain.ssd(boxes[0], classes[0], scores[0], min(count, 20), thresholds)
    assert_same(candidates, expected)
    assert decoder.has_nms


@pytest.mark.parametrize("thresholds", THRESHOLDS.values(), ids=THRESHOLDS.keys())
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("normalised", [True, False])
def test_end_to_end_is_read_as_plain_loops_read_it(normalised, dtype, thresholds):
    """Corners in pixels or parts of the input, no class without label; boxes may stick out."""
    random = np.random.default_rng(4)
    width, height = (1, 1) if normalised else (SPEC.width, SPEC.height)
    corners = np.sort(random.uniform(-0.2, 1.2, (40, 2, 2)), axis=1).reshape(40, 4)
    scores, classes = random.uniform(0, 1, (40, 1)), random.integers(-1, 6, (40, 1))
    rows = np.concatenate([corners * [width, height, width, height], scores, classes], axis=1)
    info, values, real = tensor(rows[None], dtype, -1.5, max(6.0, width))
    output = OutputSpec(layout="end_to_end", tensors={"detections": "t"}, normalised=normalised)
    decoder = open_decoder(DecoderSpec(output, SPEC, {"detections": info}, np.array(thresholds)))

    candidates = decoder.decode((values,))

    assert_same(
        candidates, plain.end_to_end(real[0], width=width, height=height, thresholds=thresholds)
    )
    assert decoder.has_nms


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("column", range(6))
def test_row_with_what_is_no_number_is_no_detection(column, poison):
    """The other rows are; nor is it one of a class that never counts."""
    info = TensorInfo(0, "t", (1, 2, 6), np.dtype("float32"))
    output = OutputSpec(layout="end_to_end", tensors={"detections": "t"}, normalised=True)
    decoder = open_decoder(
        DecoderSpec(output, SPEC, {"detections": info}, np.array([0.5, math.inf]))
    )
    table = np.array([[[0.1, 0.1, 0.9, 0.9, 0.8, 0]] * 2], np.float32)
    table[0, 1, column] = poison

    assert len(decoder.decode((table,))) == 1


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_limit_in_integers_is_the_limit(dtype):
    """For every value of the tensor: at least the integer means at least the real number."""
    info = TensorInfo(0, "t", (1,), np.dtype(dtype), 0.0123, 11)
    bounds = np.iinfo(dtype)
    values = np.arange(bounds.min, bounds.max + 1)
    meant = (values - 11) * 0.0123
    limits = np.concatenate(
        (
            [-math.inf, -1e9, 0.0, 1e9, math.inf],
            meant[:: len(meant) // 16],
            meant[:: len(meant) // 20] + 1e-4,
        )
    )

    cuts, reachable = info.cuts(limits)

    for limit, cut, reached in zip(limits, cuts, reachable, strict=True):
        passes = (values >= cut) & reached
        assert (passes == (meant >= limit - 1e-9)).all()


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("layout", ["points", "yolo_v5", "yolo_v8"])
def test_class_that_never_counts_does_not_at_the_highest_score(layout, dtype):
    """Not even where the integer for its limit would be one that the tensor can have."""
    infinite = math.inf if dtype == "float32" else np.iinfo(dtype).max
    rows = POINTS if layout == "points" else 50
    wide = {"points": 2, "yolo_v5": 7, "yolo_v8": 6}[layout]
    info = TensorInfo(0, "t", (1, rows, wide), np.dtype(dtype), 0.01, 0)
    places = TensorInfo(1, "d", (1, rows, 4), np.dtype(dtype), 0.01, 0)
    values = [np.full(info.shape, infinite, dtype)]
    if layout == "points":
        output, infos = POINTS_OUTPUT, {"scores": info, "distances": places}
        values.append(np.full(places.shape, 50, dtype))
    else:
        output = OutputSpec(layout=layout, tensors={"predictions": "t"}, normalised=True)
        infos = {"predictions": info}

    candidates = open_decoder(
        DecoderSpec(output, SPEC, infos, np.array([math.inf, math.inf]))
    ).decode(values)

    assert len(candidates) == 0


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [0, 1, 2, 3])
def test_what_is_no_number_is_no_detection(where, poison):
    """A runtime that answers nonsense gives no boxes of nonsense, and no exception."""
    outputs = [
        np.array([[[0.1, 0.1, 0.9, 0.9]]], np.float32),
        np.array([[1]], np.float32),
        np.array([[0.9]], np.float32),
        np.array([1], np.float32),
    ]
    roles = ("boxes", "classes", "scores", "count")
    infos = {
        role: TensorInfo(0, role, output.shape, output.dtype)
        for role, output in zip(roles, outputs, strict=True)
    }
    decoder = open_decoder(DecoderSpec(SSD_OUTPUT, SPEC, infos, np.array([0.5, 0.5])))
    assert len(decoder.decode(outputs)) == 1
    outputs[where] = np.full_like(outputs[where], poison)

    candidates = decoder.decode(outputs)

    assert np.isfinite(candidates.boxes_xyxy).all()
    assert ((candidates.scores >= 0) & (candidates.scores <= 1)).all()


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_raw_heads_survive_what_is_no_number(poison):
    """The same for layouts whose boxes are computed here."""
    tensors = {
        "scores": TensorInfo(0, "s", (1, POINTS, 2), np.dtype("float32")),
        "distances": TensorInfo(1, "d", (1, POINTS, 4), np.dtype("float32")),
    }
    decoder = open_decoder(
        DecoderSpec(POINTS_OUTPUT, SPEC, tensors, thresholds=np.array([0.5, math.inf]))
    )
    scores = np.full((1, POINTS, 2), 2, np.float32)
    distances = np.full((1, POINTS, 4), poison, np.float32)
    scores[0, ::3] = poison

    candidates = decoder.decode((scores, distances))

    assert np.isfinite(candidates.boxes_xyxy).all() and (candidates.class_ids == 0).all()
    assert ((candidates.scores >= 0.5) & (candidates.scores <= 1)).all()


@pytest.mark.parametrize(
    ("output", "shapes", "message"),
    [
        (POINTS_OUTPUT, [(1, POINTS, 3), (1, POINTS, 4)], rf"scores .* \[1, {POINTS}, 2\]"),
        (POINTS_OUTPUT, [(1, 5, 2), (1, 5, 4)], rf"ask for \[1, {POINTS}, 2\]"),
        (POINTS_OUTPUT, [(1, POINTS, 2), (1, POINTS, 5)], "distances"),
        (SSD_OUTPUT, [(1, 9, 4), (1, 9), (1, 10), (1,)], "boxes"),
        (SSD_OUTPUT, [(1, 9, 4), (1, 9), (1, 9), (1, 1)], "count"),
        (SSD_OUTPUT, [(), (), (), ()], "boxes"),
        ("yolo_v8", [(1, 7, 100)], r"ask for \[1, 7, 6\] or \[1, 6, N\]"),
        ("yolo_v8", [(600,)], "predictions"),
        ("yolo_v5", [(1, 100, 6)], r"ask for \[1, 100, 7\]"),
        ("yolo_v5", [(100, 7)], "predictions"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(output, shapes, message):
    """When the model is opened, with what is there and what was expected."""
    if isinstance(output, str):
        output = OutputSpec(
            layout="yolo_v8" if output == "yolo_v8" else "yolo_v5", tensors={"predictions": "p"}
        )
    roles = {"points": ("scores", "distances"), "ssd": ("boxes", "classes", "scores", "count")}
    infos = {
        role: TensorInfo(0, "t", shape, np.dtype("float32"))
        for role, shape in zip(roles.get(output.layout, ("predictions",)), shapes, strict=True)
    }
    with pytest.raises(ModelError, match=message):
        open_decoder(DecoderSpec(output, SPEC, infos, np.array([0.5, 0.5])))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 129, 500])
@pytest.mark.parametrize("limit", [1, 10, 1000])
@pytest.mark.parametrize("iou", [0.0, 0.3, 0.7, 1.0])
def test_nms_is_that_of_plain_loops(count, limit, iou):
    """Any number of boxes, also more than are compared at once, and equal scores among them."""
    random = np.random.default_rng(count)
    corners = random.uniform(0, 1, (count, 2))
    boxes = np.concatenate((corners, corners + random.uniform(0.01, 0.5, (count, 2))), axis=1)
    scores = random.integers(1, 40, count).astype(np.float32) / 40
    class_ids = random.integers(0, 3, count)
    listed = [
        (tuple(box), score, class_id)
        for box, score, class_id in zip(
            boxes.astype(np.float32).tolist(), scores.tolist(), class_ids.tolist(), strict=True
        )
    ]

    kept = nms(boxes.astype(np.float32), scores, class_ids, iou=iou, limit=limit)

    assert kept.tolist() == plain.nms(listed, iou, limit)


def test_nms_spares_other_classes():
    """A nut in the same place as a bolt stays."""
    boxes = np.array([[0, 0, 1, 1]] * 3, np.float32)
    scores = np.array([0.5, 0.9, 0.7], np.float32)

    kept = nms(boxes, scores, np.array([0, 0, 1]), iou=0.5, limit=10)

    assert kept.tolist() == [1, 2]
