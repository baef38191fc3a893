"""The smallest detector with a head of our own: it finds cells of pure red, green or blue.

Its input is 64x64, its only stride 8; a cell of one colour is an object as large as the cell.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from edge_detector.contract.manifest import (
    Golden,
    GoldenDetection,
    InputSpec,
    Manifest,
    OutputSpec,
    Thresholds,
)
from numpy.typing import NDArray

from tests.edge.device.samples import DIGEST, make_manifest

SIDE, STRIDE = 64, 8
LABELS = ("red", "green", "blue")
BGR = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0)}
SCORE = 1 / (1 + math.exp(-5))  # of a pure cell
TENSORS = {"scores": "PartitionedCall:1", "distances": "PartitionedCall:0"}
GOLDEN_CELLS = (("red", 2, 1), ("blue", 5, 6))


def paint(*cells: tuple[str, int, int], side: int = SIDE) -> NDArray[np.uint8]:
    """A black square frame with cells (label, row, column) of their colour."""
    frame = np.zeros((side, side, 3), np.uint8)
    step = side * STRIDE // SIDE
    for label, row, column in cells:
        frame[row * step : (row + 1) * step, column * step : (column + 1) * step] = BGR[label]
    return frame


@lru_cache
def build_tiny(variant: str = "float32") -> bytes:
    """The model as a file, in float32 or int8; skips where there is no TensorFlow."""
    pytest.importorskip("tensorflow")
    from services.modelling.keras import open_tensorflow, quiet

    tf = open_tensorflow()
    own, other = 15.0, -10.0
    weights = np.full((3, 3), other) + np.eye(3) * (own - other)

    class Tiny(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec((1, SIDE, SIDE, 3), tf.float32)]
        )
        def __call__(self, image: Any) -> dict[str, Any]:
            cells = tf.nn.avg_pool2d(image, STRIDE, STRIDE, "VALID")
            scores = tf.nn.conv2d(cells, weights[None, None].astype("f4"), 1, "VALID") - 10.0
            halves = tf.nn.relu(tf.nn.conv2d(cells, np.full((1, 1, 3, 4), 0.5, "f4"), 1, "VALID"))
            return {
                "scores": tf.reshape(scores, (1, -1, 3)),
                "distances": tf.reshape(halves, (1, -1, 4)),
            }

    random = np.random.default_rng(0)

    def pictures() -> Any:
        for _ in range(20):
            cells = random.choice([0.0, 0.0, 1.0], (1, 8, 8, 3))
            yield [np.repeat(np.repeat(cells, 8, 1), 8, 2).astype(np.float32)]

    with quiet():
        tiny = Tiny()
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [tiny.__call__.get_concrete_function()], tiny
        )
        if variant == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = pictures
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
        content: bytes = converter.convert()
    return content


def tiny_manifest(variant: str = "float32", **changes: Any) -> Manifest:
    """Of the model, with what it finds in `GOLDEN_CELLS`."""
    return make_manifest(
        **{
            "name": "tiny",
            "input": InputSpec(
                height=SIDE,
                width=SIDE,
                dtype="int8" if variant == "int8" else "float32",
                mean=0.0,
                std=255.0,
            ),
            "output": OutputSpec(layout="points", tensors=TENSORS, strides=(STRIDE,)),
            "labels": LABELS,
            "thresholds": Thresholds(score=0.5, iou=0.5, max_detections=100, per_label={}),
            "golden": (
                Golden(
                    file="golden-0.png",
                    sha256=DIGEST,
                    size=1,
                    detections=tuple(golden_detection(*cell) for cell in GOLDEN_CELLS),
                ),
            ),
            **changes,
        }
    )


def golden_detection(label: str, row: int, column: int, score: float = SCORE) -> GoldenDetection:
    """A cell as the publisher found it."""
    x, y = float(column * STRIDE), float(row * STRIDE)
    return GoldenDetection(label=label, score=score, box=(x, y, x + STRIDE, y + STRIDE))
