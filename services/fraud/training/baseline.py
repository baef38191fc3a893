"""The baseline that a network has to beat: a logistic regression on the standardised features."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from services.modelling.keras import open_keras

STEPS = 25
RIDGE = 1.0  # on the coefficients, not on the intercept

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted logistic regression: of features that are standardised, shape (features,)."""

    mean: Array
    spread: Array
    weights: Array  # the intercept first

    def probabilities(self, rows: Array) -> Array:
        """Of rows, shape (n, features); shape (n,)."""
        return _sigmoid(_design((rows - self.mean) / self.spread) @ self.weights)

    def log_odds(self, features: Any) -> Any:
        """Of a Keras tensor of features, float32 (n, features); shape (n, 1). Is not trained."""
        keras = open_keras()
        linear = keras.layers.Dense(1, trainable=False)
        centre = keras.layers.Normalization(mean=self.mean, variance=np.ones_like(self.mean))
        found = linear(centre(features))
        # The layer would cut small deviations off, so that they are part of the weights.
        linear.set_weights([(self.weights[1:] / self.spread)[:, np.newaxis], self.weights[:1]])
        return found


def fit_regression(rows: Array, is_fraud: Array) -> Regression:
    """Fit by Newton's method."""
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
    return Regression(mean, spread, weights)


def logistic_baseline(rows: Array, is_fraud: Array, test_rows: Array) -> Array:
    """Probabilities of the test rows, fitted on the others."""
    return fit_regression(rows, is_fraud).probabilities(test_rows)


def _design(rows: Array) -> Array:
    return np.hstack([np.ones((len(rows), 1)), rows])


def _sigmoid(logits: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    return result
