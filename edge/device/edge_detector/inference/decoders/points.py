"""Layout "points": a score per class and four distances for each point of a grid.

`scores` [1, N, C] as logits, and `distances` [1, N, 4] from each point to the left, top, right and
bottom edge of its box, in units of the point's stride. For each stride, in the manifest's order,
there is a grid of ceil(height / stride) x ceil(width / stride) points, row by row; a point lies in
the middle of its cell.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_detector.contract.manifest import InputSpec
from edge_detector.inference.decoders.decoding import Candidates, DecoderSpec, Outputs, ScoreFilter


class Decoder:
    """Reads "points"."""

    has_nms = False

    def __init__(self, spec: DecoderSpec) -> None:
        """Raises: ModelError: the tensors do not fit the input, the strides or the labels."""
        scores, self._distances = spec.tensors["scores"], spec.tensors["distances"]
        middles, strides = grid(spec.input, spec.output.strides)
        shape = (len(middles), spec.classes)
        spec.check_shape("scores", (1, *shape))
        spec.check_shape("distances", (1, len(middles), 4))
        size = np.array([spec.input.width, spec.input.height] * 2, np.float32)
        self._middles = np.tile(middles, 2) / size
        self._steps = np.repeat(strides[:, None], 4, axis=1) / size
        self._steps[:, :2] *= -1  # left and top lead back
        with np.errstate(divide="ignore"):  # 0 and 1 have no finite logit
            limits = np.log(spec.thresholds) - np.log1p(-np.minimum(spec.thresholds, 1.0))
        limits[spec.thresholds > 1] = np.inf
        self._filter = ScoreFilter(scores, limits, shape)

    def decode(self, outputs: Outputs) -> Candidates:
        scores, distances = outputs
        rows, classes, values = self._filter.best_per_row(scores[0])
        if not len(rows):
            return Candidates.none()
        corners = self._distances.real(distances[0][rows])
        np.maximum(corners, 0, out=corners)
        corners *= self._steps[rows]
        corners += self._middles[rows]
        return Candidates.clipped(corners, _sigmoid(values), classes)


def grid(
    spec: InputSpec, strides: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Middles (N, 2) as x, y and strides (N,) of all points, in pixels of the input."""
    middles, steps = [], []
    for stride in strides:
        rows, columns = -(-spec.height // stride), -(-spec.width // stride)
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        middles.append((np.stack([x, y], axis=1) + 0.5) * stride)
        steps.append(np.full(rows * columns, stride))
    return (
        np.concatenate(middles).astype(np.float32),
        np.concatenate(steps).astype(np.float32),
    )


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # By tanh, which overflows nowhere.
    probabilities: NDArray[np.float32] = np.float32(0.5) * (1 + np.tanh(logits * np.float32(0.5)))
    return probabilities
