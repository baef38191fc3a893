"""How a network is trained where rows are few: as ever, or from a logistic regression on.

Two thousand rows teach a network less than a regression where what tells frauds apart is a sum of
the features, and more where it is not. So both ways are tried on a third of the rows for training,
which neither is shown, and the one that is likelier there is taken. The rows of the test take no
part.
"""

from typing import Any

import numpy as np

from services.fraud.training.network import Recipe, fit

FEW_ROWS = 5_000  # for training; with more nothing is tried
LEAST_FRAUDS = 6  # of which two are held out: with fewer nothing can be compared
_HELD_OUT = 3  # one in so many
_LEAST = 1e-7  # probability

Array = np.ndarray[Any, Any]


def recipe_for(rows: Array, is_fraud: Array, recipe: Recipe, *, by_meaning: bool) -> Recipe:
    """The recipe for these rows for training; arguments as of `fit`."""
    if len(rows) >= FEW_ROWS:
        return recipe
    from_regression = recipe.begun_as_regression()
    if is_fraud.sum() < LEAST_FRAUDS:
        return from_regression
    held = np.zeros(len(rows), bool)
    for kind in (is_fraud, ~is_fraud):  # as many of each
        held[np.flatnonzero(kind)[_HELD_OUT - 1 :: _HELD_OUT]] = True
    ways = (from_regression, recipe)
    likelihood = [_likelihood(rows, is_fraud, held, way, by_meaning) for way in ways]
    return ways[int(np.argmax(likelihood))]


def _likelihood(
    rows: Array, is_fraud: Array, held: Array, recipe: Recipe, by_meaning: bool
) -> float:
    """The mean logarithm of the probability of what was the case, in the rows that are held out."""
    network = fit(rows[~held], is_fraud[~held], recipe, by_meaning=by_meaning)
    found = network.predict(rows[held].astype(np.float32), batch_size=8_192, verbose=0)[:, 0]
    of_fraud = np.clip(found.astype(np.float64), _LEAST, 1 - _LEAST)
    return float(np.log(np.where(is_fraud[held], of_fraud, 1 - of_fraud)).mean())
