"""Manifests and models that several tests of the device use.

The model files are data for building this project, not a part of it: a test that uses one skips
where it is absent.
"""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from edge_detector.contract.manifest import (
    Golden,
    GoldenDetection,
    InputSpec,
    Lineage,
    Manifest,
    ModelFile,
    OutputSpec,
    Thresholds,
)
from numpy.typing import NDArray

DATA = Path(__file__).parents[4] / "shared" / "data" / "detection"
COCO_SSD = DATA / "models" / "coco_ssd_mobilenet_v1_1.0_quant_detect.tflite"
CONSTANT = DATA / "models" / "cmpss_detect.tflite"
YOLO = DATA / "models" / "yolov8n_full_integer_quant_224.tflite"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the detection data is not here")

DIGEST = hashlib.sha256(b"sample").hexdigest()
THRESHOLDS = Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={})
SSD_OUTPUT = OutputSpec(
    layout="ssd",
    tensors={
        "boxes": "TFLite_Detection_PostProcess",
        "classes": "TFLite_Detection_PostProcess:1",
        "scores": "TFLite_Detection_PostProcess:2",
        "count": "TFLite_Detection_PostProcess:3",
    },
)


def make_manifest(**changes: Any) -> Manifest:
    """A manifest that is valid but for what is changed."""
    return Manifest(
        **{
            "name": "parts",
            "version": "1.2.3",
            "model": ModelFile(sha256=DIGEST, size=1000, variant="int8"),
            "input": InputSpec(height=240, width=320, dtype="uint8", mean=0.0, std=255.0),
            "output": OutputSpec(
                layout="points",
                tensors={"scores": "scores:0", "distances": "distances:0"},
                strides=(8, 16, 32),
            ),
            "labels": ("bolt", "nut", "washer"),
            "thresholds": Thresholds(
                score=0.5, iou=0.45, max_detections=50, per_label={"bolt": 0.25}
            ),
            "golden": (
                Golden(
                    file="golden-0.png",
                    sha256=DIGEST,
                    size=500,
                    detections=(
                        GoldenDetection(label="bolt", score=0.9, box=(1.0, 2.0, 30.5, 40.0)),
                    ),
                ),
            ),
            "measured": {"map_50": 0.97, "by": [{"runtime": "litert", "p50_ms": 1.5}]},
            "lineage": Lineage(
                source_sha256=DIGEST,
                data_sha256=None,
                code_version="0.1.0",
                published_at="2026-01-31T12:00:00Z",
            ),
            **changes,
        }
    )


def coco_ssd_manifest(**changes: Any) -> Manifest:
    """Of both SSD files."""
    return make_manifest(
        **{
            "name": "coco-ssd",
            "input": InputSpec(
                height=300, width=300, dtype="uint8", mean=127.5, std=127.5, fit="stretch"
            ),
            "output": SSD_OUTPUT,
            "labels": read_labels("coco_ssd_labelmap_nazmul.txt"),
            "thresholds": THRESHOLDS,
            "golden": (Golden(file="golden-0.png", sha256=DIGEST, size=1, detections=()),),
            **changes,
        }
    )


def yolo_manifest(**changes: Any) -> Manifest:
    """Of the YOLOv8 file."""
    return make_manifest(
        **{
            "name": "yolo",
            "input": InputSpec(height=224, width=224, dtype="int8", mean=0.0, std=255.0),
            "output": OutputSpec(
                layout="yolo_v8", tensors={"predictions": "PartitionedCall:0"}, normalised=True
            ),
            "labels": read_labels("nxp_coco-labels-2014_2017.txt"),
            "thresholds": THRESHOLDS,
            "golden": (Golden(file="golden-0.png", sha256=DIGEST, size=1, detections=()),),
            **changes,
        }
    )


def read_photo(name: str) -> NDArray[np.uint8]:
    """A picture of the data, by its path there, as a frame."""
    frame = cv2.imread(str(DATA / name))
    assert frame is not None, name
    return frame.astype(np.uint8, copy=False)


def read_labels(name: str) -> tuple[str, ...]:
    """A file of labels, without a first line that stands for the background."""
    lines = [line.strip() for line in (DATA / "labels" / name).read_text().splitlines()]
    labels = [line for line in lines if line]
    return tuple(labels[labels[0] == "???" :])
