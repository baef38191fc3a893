"""The baseline that a network has to beat: a logistic regression on the standardised features."""

from typing import Any

import numpy as np

STEPS = 25
RIDGE = 1.0  # on the coefficients, not on the intercept

Array = np.ndarray[Any, Any]


def logistic_baseline(rows: Array, is_fraud: Array, test_rows: Array) -> Array:
    """Probabilities of the test rows, fitted on the others by Newton's method."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    design = _design((rows - mean) / spread)
    truth = np.asarray(is_fraud, dtype=float)
    ridge = np.full(design.shape[1], RIDGE)
    ridge[0] = 1e-9
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        probability = _sigmoid(design @ weights)
        gradient = design.T @ (probability - truth) + ridge * weights
        slopes = probability * (1 - probability)
        step = np.linalg.solve((design.T * slopes) @ design + np.diag(ridge), gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return _sigmoid(_design((test_rows - mean) / spread) @ weights)


def _design(rows: Array) -> Array:
    return np.hstack([np.ones((len(rows), 1)), rows])


def _sigmoid(logits: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    return result
