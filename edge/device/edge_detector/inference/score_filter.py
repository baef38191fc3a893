"""The few scores that pass their thresholds, found among many in one pass.

Scores are compared as they come from the model, quantised or not; the thresholds were brought
into the same units beforehand.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_detector.inference.tensors import TensorInfo


class ScoreFilter:
    """Finds the few scores that pass."""

    def __init__(
        self,
        info: TensorInfo,
        limits: NDArray[np.float64],
        shape: tuple[int, int],
        *,
        classes_first: bool = False,
    ) -> None:
        """limits: per class. shape: of the scores, without the batch."""
        cuts, reachable = info.cuts(limits)
        self._info = info
        self._classes_first = classes_first
        self._reachable = None if reachable.all() else reachable
        # Written out in full: comparing arrays of one shape is many times as fast.
        rows = cuts[:, None] if classes_first else cuts[None, :]
        self._cuts = np.ascontiguousarray(np.broadcast_to(rows, shape))

    def best_per_row(
        self, scores: NDArray[Any]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Rows where a class passes, each once: their numbers, best classes and real scores."""
        hits = np.flatnonzero(scores >= self._cuts)
        first, second = np.divmod(hits, self._cuts.shape[1])
        values = self._info.real(scores[first, second])
        rows, classes = (second, first) if self._classes_first else (first, second)
        if self._reachable is not None:
            passed = self._reachable[classes]
            rows, classes, values = rows[passed], classes[passed], values[passed]
        if len(set(rows.tolist())) == len(rows):
            return rows, classes, values
        order = np.lexsort((classes, -values, rows))
        ordered = rows[order]
        best = order[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
        return rows[best], classes[best], values[best]
