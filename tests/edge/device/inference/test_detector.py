"""What a detector finds, with a model of our own and with those that are in the wild."""

import json
import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from edge_detector.contract.manifest import OutputSpec, Thresholds
from edge_detector.errors import ConfigError, ModelError
from edge_detector.inference.boxes import Box
from edge_detector.inference.detector import Detector, Raw

from tests.edge.device.samples import (
    COCO_SSD,
    DATA,
    YOLO,
    coco_ssd_manifest,
    needs_data,
    read_photo,
    yolo_manifest,
)
from tests.edge.device.tiny import (
    SCORE,
    TENSORS,
    build_tiny,
    paint,
    tiny_manifest,
)

# What the numbers in the photos' labels stand for; the names there are those of other classes.
PHOTO_LABELS = {0: "person", 1: "giraffe", 2: "umbrella", 11: "clock"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Opens the tiny model."""
    folder = tmp_path_factory.mktemp("tiny")

    def open_tiny(variant="float32", manifest=None, **arguments):
        path = folder / f"{variant}.tflite"
        if not path.exists():
            path.write_bytes(build_tiny(variant))
        return Detector(path, manifest or tiny_manifest(variant), **arguments)

    return open_tiny


def summary(detections):
    return [
        (
            detection.label,
            detection.class_id,
            round(detection.box.x0),
            round(detection.box.y0),
            round(detection.box.x1),
            round(detection.box.y1),
        )
        for detection in detections
    ]


def labels_of(detections):
    return [detection.label for detection in detections]


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_own_head_finds_what_is_there(tiny, variant):
    """Colours in their order, boxes in pixels of the frame, scores as probabilities."""
    found = tiny(variant).detect(paint(("red", 2, 1), ("green", 0, 0), ("blue", 7, 7)))

    assert sorted(summary(found)) == [
        ("blue", 2, 56, 56, 64, 64),
        ("green", 1, 0, 0, 8, 8),
        ("red", 0, 8, 16, 16, 24),
    ]
    assert all(math.isclose(detection.score, SCORE, abs_tol=2e-3) for detection in found)
    assert all(
        isinstance(detection.score, float) and isinstance(detection.class_id, int)
        for detection in found
    )


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_boxes_are_in_pixels_of_any_frame(tiny, variant):
    """Twice as large, or in the middle of a wide one."""
    detector = tiny(variant)
    large = paint(("red", 2, 1), side=128)
    wide = np.zeros((128, 256, 3), np.uint8)
    # A cell of the input, which the wide frame fills in its middle half: 32 px each way.
    wide[64:96, 64:96] = (0, 0, 255)

    assert summary(detector.detect(large)) == [("red", 0, 16, 32, 32, 48)]
    assert summary(detector.detect(wide)) == [("red", 0, 64, 64, 96, 96)]


def test_what_lies_in_the_margin_is_not_in_the_frame(tiny):
    """A box in the grey of a letterbox would be an empty one of the frame."""
    detector = tiny()
    square = detector.infer(detector.prepare(paint(("red", 0, 0), ("blue", 4, 4))))
    wide = detector.prepare(np.zeros((128, 256, 3), np.uint8)).geometry

    assert labels_of(detector.read(square)) == ["red", "blue"]
    assert labels_of(detector.read(Raw(square.outputs, wide))) == ["blue"]


def test_nothing_is_found_in_nothing(tiny):
    """An empty list, whatever is asked next."""
    detector = tiny()

    assert detector.detect(paint()) == []
    assert len(detector.detect(paint(("red", 0, 0)))) == 1
    assert detector.detect(paint()) == []


def test_best_comes_first_and_no_more_than_asked(tiny):
    """A dim cell after a pure one."""
    frame = paint(("red", 2, 1), ("blue", 5, 6))
    frame[16:24, 8:16, 2] = 200
    thresholds = replace(tiny_manifest().thresholds, max_detections=1)

    assert labels_of(tiny().detect(frame)) == ["blue", "red"]
    first = tiny(manifest=tiny_manifest(thresholds=thresholds)).detect(frame)
    assert labels_of(first) == ["blue"]


def test_frame_is_left_as_it_was(tiny):
    """It is shown and drawn on later."""
    frame = paint(("red", 2, 1))
    tiny().detect(frame)

    assert np.array_equal(frame, paint(("red", 2, 1)))


def test_stages_may_overlap(tiny):
    """Three frames under way, each in another stage: no answer is another frame's."""
    detector = tiny("int8")
    cells = [("red", 1, 1), ("green", 2, 2), ("blue", 3, 3)]
    prepared = [detector.prepare(paint(cell)) for cell in cells]
    raw = [detector.infer(picture) for picture in prepared]

    found = [detector.read(answer) for answer in raw]

    assert [labels_of(detections) for detections in found] == [["red"], ["green"], ["blue"]]
    assert [detector.read(answer) for answer in raw] == found
    assert detector.read(detector.infer(prepared[0])) == found[0]


def test_threads_may_prepare_and_read_while_one_infers(tiny):
    """As the loop does."""
    detector = tiny()
    cells = [("red", 1, 1), ("green", 2, 2), ("blue", 3, 3)]
    raw = [detector.infer(detector.prepare(paint(cell))) for cell in cells]
    wrong = []

    def work(number):
        for _ in range(100):
            detector.prepare(paint(cells[number]))
            if detector.read(raw[number])[0].label != cells[number][0]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        detector.detect(paint(cells[0]))
    for thread in threads:
        thread.join()

    assert wrong == []


def test_thresholds_come_from_the_narrowest_word(tiny):
    """A label's own argument, the argument for all, a label's in the manifest, that of all."""
    frame = paint(("red", 0, 0), ("green", 1, 1), ("blue", 2, 2))
    manifest = tiny_manifest(
        thresholds=Thresholds(score=0.999, iou=0.5, max_detections=9, per_label={"red": 0.5})
    )

    def labels(**arguments):
        found = tiny(manifest=manifest, **arguments).detect(frame)
        return sorted(labels_of(found))

    assert labels() == ["red"]
    assert labels(thresholds={"green": 0.5}) == ["green", "red"]
    assert labels(score_threshold=0.5) == ["blue", "green", "red"]
    assert labels(score_threshold=0.999) == []
    assert labels(score_threshold=0.999, thresholds={"blue": 0.9}) == ["blue"]


def test_only_included_labels_are_found(tiny):
    """And a hole in the labels never."""
    frame = paint(("red", 0, 0), ("green", 1, 1), ("blue", 2, 2))
    manifest = tiny_manifest(labels=("red", "???", "blue"), golden=tiny_manifest().golden)

    assert labels_of(tiny(include=frozenset({"green"})).detect(frame)) == ["green"]
    assert sorted(labels_of(tiny(manifest=manifest).detect(frame))) == ["blue", "red"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"include": frozenset({"red", "pink"})}, "include: no label 'pink'; tiny 1.2.3 knows red"),
        ({"include": frozenset()}, "include names no label"),
        ({"thresholds": {"pink": 0.5}}, "thresholds: no label 'pink'.* red, green, blue"),
        ({"thresholds": {"red": 1.5}}, "threshold red is 1.5: give 0 to 1"),
        ({"score_threshold": -0.1}, "threshold score_threshold is -0.1"),
        ({"score_threshold": math.nan}, "threshold score_threshold is nan"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_wrong_arguments_name_what_would_be_right(tiny, arguments, message):
    """A misspelt label does not silently find nothing."""
    with pytest.raises(ConfigError, match=message):
        tiny(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": replace(tiny_manifest().input, height=32)}, r"says float32 \[1, 32, 64, 3\]"),
        ({"input": replace(tiny_manifest().input, dtype="uint8")}, "input is float32"),
        ({"labels": ("red", "blue")}, "scores"),
        (
            {"output": OutputSpec(layout="points", tensors=TENSORS, strides=(16,))},
            r"ask for \[1, 16, 3\]",
        ),
        (
            {
                "output": OutputSpec(
                    layout="points", tensors={**TENSORS, "scores": "logits"}, strides=(8,)
                )
            },
            "no output 'logits' for the scores .* it has 'PartitionedCall",
        ),
    ],
)
def test_model_that_is_not_the_manifests_is_refused(tiny, changes, message):
    """When it is opened, not in the middle of a night."""
    with pytest.raises(ModelError, match=message):
        tiny(manifest=tiny_manifest(**changes))


def test_detector_says_what_it_is(tiny):
    """For telemetry and status."""
    detector = tiny()
    detector.warm_up()

    assert detector.manifest == tiny_manifest()
    assert detector.runtime_name.startswith(("ai-edge-litert ", "tflite-runtime "))


@needs_data
@pytest.mark.parametrize(
    ("photo", "labels"),
    [
        ("grace_hopper.bmp", ["person", "tie"]),
        ("pets.jpg", ["dog", "dog"]),
        ("cat.bmp", ["cat"]),
    ],
)
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_coco_ssd_finds_what_the_photos_show(photo, labels, fit):
    """The four-tensor output, bytes in, one class a number beyond the labels' first line."""
    manifest = coco_ssd_manifest()
    manifest = replace(manifest, input=replace(manifest.input, fit=fit))
    frame = read_photo(f"photos/{photo}")

    found = Detector(COCO_SSD, manifest).detect(frame)

    assert [detection.label for detection in found if detection.score >= 0.55] == labels
    height, width = frame.shape[:2]
    whole = Box(0, 0, width, height)
    assert all(detection.box == detection.box.intersect(whole) for detection in found)


@needs_data
def test_tie_is_found_where_it_hangs():
    """A box of the four-tensor output, in pixels: on the chest, below the chin."""
    frame = read_photo("photos/grace_hopper.bmp")

    found = Detector(COCO_SSD, coco_ssd_manifest(), include=frozenset({"tie"})).detect(frame)

    assert labels_of(found) == ["tie"]
    assert found[0].box.iou(Box(225, 426, 288, 539)) >= 0.8


@needs_data
def test_yolo_finds_what_the_labels_of_the_photos_say():
    """Raw int8 YOLOv8 output: each clear find lies on a labelled object, every photo has one."""
    labels = json.loads((DATA / "coco5" / "labels.json").read_text())
    detector = Detector(YOLO, yolo_manifest(), score_threshold=0.5)
    for image in labels["images"]:
        objects = [
            (PHOTO_LABELS.get(annotation["category_id"]), middle_to_box(*annotation["bbox"]))
            for annotation in labels["annotations"]
            if annotation["image_id"] == image["id"]
        ]

        found = detector.detect(read_photo(f"coco5/{image['file_name']}"))

        assert found, image["file_name"]
        for detection in found:
            hits = [box.iou(detection.box) for label, box in objects if label == detection.label]
            assert max(hits, default=0) >= 0.5, (image["file_name"], detection)


def middle_to_box(x, y, width, height):
    """The photos' labels have the middle of a box where COCO has its corner."""
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


@needs_data
def test_yolo_finds_each_object_once():
    """Hundreds of places answer; suppression leaves one box for each giraffe."""
    frame = read_photo("coco5/000000000072.jpg")

    found = Detector(YOLO, yolo_manifest()).detect(frame)

    assert labels_of(found) == ["giraffe", "giraffe"]
    assert found[0].box.iou(found[1].box) < 0.5
