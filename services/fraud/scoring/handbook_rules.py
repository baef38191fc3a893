"""What the Handbook's features cannot be together: signs that a caller has mixed them up.

Weekend and night are 0 or 1, a risk is a share, and a longer window holds what a shorter one does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.fraud.transactions.features import FEATURES

_FLAGS = (1, 2)
_RISKS = (10, 12, 14)
_WITHIN = ((3, 5), (5, 7), (9, 11), (11, 13))  # counts of a window and of the next longer one
_REMEDY = "; send the features in the documented order, or by name"


def are_possible(row: Sequence[float]) -> bool:
    """Whether the 15 features can be those of a transaction."""
    _, weekend, night, own1, _, own7, _, own30, _, shop1, risk1, shop7, risk7, shop30, risk30 = row
    return (
        own1 <= own7 <= own30
        and shop1 <= shop7 <= shop30
        and risk1 <= 1
        and risk7 <= 1
        and risk30 <= 1
        and (weekend == 0 or weekend == 1)
        and (night == 0 or night == 1)
    )


def possible_rows(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """The same of many rows; shape (n, 15), of finite numbers."""
    possible = np.ones(len(rows), np.bool_)
    for flag in _FLAGS:
        possible &= (rows[:, flag] == 0) | (rows[:, flag] == 1)
    for risk in _RISKS:
        possible &= rows[:, risk] <= 1
    for shorter, longer in _WITHIN:
        possible &= rows[:, shorter] <= rows[:, longer]
    return possible


def contradiction(row: Sequence[float]) -> tuple[int, str]:
    """The place of a feature that cannot be so, and why; of a row that is not possible."""
    for flag in _FLAGS:
        if row[flag] not in (0, 1):
            return flag, f"{FEATURES[flag]} is neither 0 nor 1{_REMEDY}"
    for risk in _RISKS:
        if row[risk] > 1:
            return risk, f"{FEATURES[risk]} is a share, and more than 1{_REMEDY}"
    shorter, longer = next(pair for pair in _WITHIN if row[pair[0]] > row[pair[1]])
    return longer, f"{FEATURES[longer]} is less than {FEATURES[shorter]}, which it holds{_REMEDY}"
