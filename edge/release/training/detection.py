"""What a network finds while it is still a network: with the device's own fitting and reading."""

from collections.abc import Callable
from typing import Any

import numpy as np
from edge_detector.contract.manifest import InputSpec, OutputSpec
from edge_detector.inference.boxes import Box, Detection
from edge_detector.inference.decoders.decoding import DecoderSpec, open_decoder
from edge_detector.inference.nms import nms
from edge_detector.inference.preprocess import Preprocessor
from edge_detector.inference.tensors import TensorInfo

from edge.release.datasets.annotations import Dataset
from edge.release.training.network import STRIDES, Shape, grid
from edge.release.validation.evaluate import CURVE_THRESHOLD, MAX_DETECTIONS
from services.modelling.keras import open_tensorflow

OVERLAP = 0.6  # boxes of one label that overlap more show the same thing


def open_network(network: Any, shape: Shape, dataset: Dataset) -> Callable[[Any], list[Detection]]:
    """A function from a BGR picture to the detections in its pixels, the unsure ones too."""
    tf = open_tensorflow()
    classes = len(dataset.labels)
    points = len(grid(shape.height, shape.width)[0])
    spec = InputSpec(height=shape.height, width=shape.width, dtype="float32", mean=0.0, std=255.0)
    image = _tensor("image", shape.height, shape.width, 3)
    tensors = {
        "scores": _tensor("scores", points, classes),
        "distances": _tensor("distances", points, 4),
    }
    output = OutputSpec(layout="points", tensors={role: role for role in tensors}, strides=STRIDES)
    decoder = open_decoder(
        DecoderSpec(output, spec, tensors, thresholds=np.full(classes, CURVE_THRESHOLD))
    )
    preprocessor = Preprocessor(spec, image)
    answer = tf.function(lambda batch: network(batch, training=False))

    def detect(frame: Any) -> list[Detection]:
        batch, geometry = preprocessor.prepare(frame)
        outputs = answer(tf.constant(batch))
        found = decoder.decode([np.asarray(outputs[role]) for role in tensors])
        best = nms(
            found.boxes_xyxy, found.scores, found.class_ids, iou=OVERLAP, limit=MAX_DETECTIONS
        )
        found = found.take(best)
        boxes = geometry.to_frame(found.boxes_xyxy).tolist()
        return [
            Detection(dataset.labels[class_id], class_id, score, Box(*box))
            for class_id, score, box in zip(
                found.class_ids.tolist(), found.scores.tolist(), boxes, strict=True
            )
        ]

    return detect


def _tensor(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(index=0, name=name, shape=(1, *shape), dtype=np.dtype(np.float32))
