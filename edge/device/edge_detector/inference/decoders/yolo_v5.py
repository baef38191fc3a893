"""Layout "yolo_v5": as "yolo_v8", with the probability that there is an object at all.

`predictions` [1, N, 5 + C] or [1, 5 + C, N]: middle x, y, width, height, that probability, and
those of the classes, which it multiplies.
"""

import numpy as np

from edge_detector.inference.decoders.decoding import Candidates, DecoderSpec, Outputs, xywh_to_xyxy


class Decoder:
    """Reads "yolo_v5"."""

    has_nms = False

    def __init__(self, spec: DecoderSpec) -> None:
        """Raises: ModelError: the tensor does not fit the labels."""
        self._info, self._units = spec.tensors["predictions"], spec.box_units()
        self._thresholds = spec.thresholds
        shape, width = self._info.shape, 5 + spec.classes
        self._classes_first = len(shape) == 3 and shape[1] == width
        count = shape[2 if self._classes_first else 1] if len(shape) == 3 else 0
        sides = (width, count) if self._classes_first else (count, width)
        spec.check_shape("predictions", (1, *sides), f"or [1, {width}, N] ")
        # A class's probability is at most 1: nothing below the lowest threshold can pass.
        limits, _ = self._info.cuts(spec.thresholds.min(keepdims=True))
        self._limit = limits[0]

    def decode(self, outputs: Outputs) -> Candidates:
        predictions = outputs[0][0].T if self._classes_first else outputs[0][0]
        rows = np.flatnonzero(predictions[:, 4] >= self._limit)
        if not len(rows):
            return Candidates.none()
        real = self._info.real(predictions[rows])
        objects, scores = real[:, 4], np.minimum(real[:, 5:], 1)
        scores *= np.minimum(objects, 1)[:, None]
        scores[~(scores >= self._thresholds)] = -1
        classes = scores.argmax(axis=1)
        values = scores[np.arange(len(rows)), classes]
        passed = values >= 0
        boxes = xywh_to_xyxy(real[passed, :4], self._units)
        return Candidates.clipped(boxes, values[passed], classes[passed])
