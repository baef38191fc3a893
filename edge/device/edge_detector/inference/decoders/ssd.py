"""Layout "ssd": the operator TFLite_Detection_PostProcess, which does its own NMS.

`boxes` [1, N, 4] as ymin, xmin, ymax, xmax in 0..1, `classes` and `scores` [1, N], `count` [1].
"""

import numpy as np

from edge_detector.contract.manifest import ROLES
from edge_detector.inference.decoders.decoding import Candidates, DecoderSpec, Outputs


class Decoder:
    """Reads "ssd"."""

    has_nms = True

    def __init__(self, spec: DecoderSpec) -> None:
        """Raises: ModelError: the tensors do not fit each other."""
        self._tensors = [spec.tensors[role] for role in ROLES["ssd"]]
        self._thresholds = spec.thresholds
        scores = spec.tensors["scores"].shape
        count = scores[-1] if scores else 0
        shapes = {"boxes": (1, count, 4), "classes": (1, count), "scores": (1, count)}
        for role, shape in (shapes | {"count": (1,)}).items():
            spec.check_shape(role, shape)

    def decode(self, outputs: Outputs) -> Candidates:
        boxes, raw_classes, scores, counts = (
            info.real(output) for info, output in zip(self._tensors, outputs, strict=True)
        )
        if not np.isfinite(raw_classes).all() or not np.isfinite(counts).all():
            return Candidates.none()
        classes = np.rint(raw_classes[0]).astype(np.intp)
        known = (classes >= 0) & (classes < len(self._thresholds))
        known[max(0, round(float(counts[0]))) :] = False
        known[known] = scores[0][known] >= self._thresholds[classes[known]]
        if not known.any():
            return Candidates.none()
        corners = boxes[0][known][:, [1, 0, 3, 2]]
        return Candidates.clipped(corners, scores[0][known], classes[known])
