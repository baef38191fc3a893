"""Layout "end_to_end": finished detections in one table, which the model has sorted out itself.

`detections` [1, N, 6]: x0, y0, x1, y1, score and class, in each row. YOLO26 answers so, and what
Ultralytics exports with `nms=True`; rows that stand for nothing have a score near 0.
"""

import numpy as np

from edge_detector.inference.decoders.decoding import Candidates, DecoderSpec, Outputs


class Decoder:
    """Reads "end_to_end"."""

    has_nms = True

    def __init__(self, spec: DecoderSpec) -> None:
        """Raises: ModelError: the tensor has no such rows."""
        self._info, self._thresholds = spec.tensors["detections"], spec.thresholds
        count = self._info.shape[1] if len(self._info.shape) == 3 else 0
        spec.check_shape("detections", (1, count, 6))
        sides = (1, 1) if spec.output.normalised else (spec.input.width, spec.input.height)
        self._sides = np.array([*sides, *sides], np.float32)
        limits, _ = self._info.cuts(spec.thresholds.min(keepdims=True))
        self._limit = limits[0]

    def decode(self, outputs: Outputs) -> Candidates:
        table = outputs[0][0]
        rows = np.flatnonzero(table[:, 4] >= self._limit)
        if not len(rows):
            return Candidates.none()
        real = self._info.real(table[rows])
        real = real[np.isfinite(real).all(axis=1)]
        classes = np.rint(real[:, 5]).astype(np.intp)
        known = (classes >= 0) & (classes < len(self._thresholds))
        known[known] = real[known, 4] >= self._thresholds[classes[known]]
        corners = real[known, :4] / self._sides
        return Candidates.clipped(corners, real[known, 4], classes[known])
