"""Whether all ways give the same answers to the same rows."""

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tasks.comparison.measurement import Difference, Parity, Way
from tasks.comparison.measuring.doors.subject import Scores


def compare_scores(
    scores: Mapping[Way, Scores],
    tolerance: float,
    label: Callable[[Scores], NDArray[np.bool_]],
) -> Parity:
    """Every two ways side by side.

    scores: of the same rows in the same order, shape (rows,), none missing. label: what is decided
    from scores.
    """
    rows = {len(found) for found in scores.values()}
    if len(rows) != 1 or not all(np.isfinite(found).all() for found in scores.values()):
        raise ValueError("ways are compared on the same rows, each of them answered")
    differences = tuple(
        Difference(
            ways=(one, other),
            largest=float(np.abs(scores[one] - scores[other]).max()),
            same_label_share=float((label(scores[one]) == label(scores[other])).mean()),
        )
        for one, other in combinations(scores, 2)
    )
    return Parity(rows=rows.pop(), tolerance=tolerance, differences=differences)
