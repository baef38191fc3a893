"""Layout "yolo_v8": middle x, y, width, height, and a probability per class.

`predictions` [1, 4 + C, N] or [1, N, 4 + C].
"""

from edge_detector.inference.decoders.decoding import (
    Candidates,
    DecoderSpec,
    Outputs,
    ScoreFilter,
    xywh_to_xyxy,
)


class Decoder:
    """Reads "yolo_v8"."""

    has_nms = False

    def __init__(self, spec: DecoderSpec) -> None:
        """Raises: ModelError: the tensor does not fit the labels."""
        self._info, self._units = spec.tensors["predictions"], spec.box_units()
        shape, width = self._info.shape, 4 + spec.classes
        self._classes_first = len(shape) == 3 and shape[1] == width
        count = shape[2 if self._classes_first else 1] if len(shape) == 3 else 0
        if not self._classes_first:
            spec.check_shape("predictions", (1, count, width), f"or [1, {width}, N] ")
        self._filter = ScoreFilter(
            self._info,
            spec.thresholds,
            (spec.classes, count) if self._classes_first else (count, spec.classes),
            classes_first=self._classes_first,
        )

    def decode(self, outputs: Outputs) -> Candidates:
        rows_first = outputs[0][0].T if self._classes_first else outputs[0][0]
        scores = outputs[0][0][4:] if self._classes_first else rows_first[:, 4:]
        rows, classes, values = self._filter.best_per_row(scores)
        if not len(rows):
            return Candidates.none()
        boxes = self._info.real(rows_first[rows, :4])
        return Candidates.clipped(xywh_to_xyxy(boxes, self._units), values, classes)
