"""The network and its training.

Raw features in, a probability out; what prepares the features is part of the network. Those of the
Handbook are prepared by what they mean:

- Amounts, averages and counts go through log(1 + x), and the amount also goes in as it is.
- A terminal's risks also go in as their square roots, and as numbers of frauds: two frauds out
  of two say less than ten out of ten.
- One step of the amount, at the value that tells frauds and genuine transactions apart best in
  the training rows: networks this small blur what happens at a limit.
- All of it is standardised on the training rows, and clipped.

Of other features nothing is known: each goes in as it is and through sign(x) log(1 + |x|), for
amounts have long tails, both standardised and clipped.

Then several small networks of dense layers, trained side by side on the same batches; the
probability comes from the mean of their log-odds. Frauds weigh as much as genuine rows, so that
probabilities stay shares.

From few rows they may learn less than a logistic regression. Then they begin as that regression:
its log-odds are added to theirs, which are 0 at first, and few passes move them by what the rows
say beyond it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.fraud.training.baseline import Regression, fit_regression
from services.fraud.transactions.features import FEATURES
from services.modelling.keras import open_keras, repeatable

AMOUNT = FEATURES.index("TX_AMOUNT")
FLAGS = (FEATURES.index("TX_DURING_WEEKEND"), FEATURES.index("TX_DURING_NIGHT"))
AMOUNTS = (AMOUNT, *(i for i, name in enumerate(FEATURES) if "AVG_AMOUNT" in name))
COUNTS = tuple(i for i, name in enumerate(FEATURES) if "NB_TX" in name)
RISKS = tuple(i for i, name in enumerate(FEATURES) if "RISK" in name)
TERMINAL_COUNTS = tuple(i for i, name in enumerate(FEATURES) if name.startswith("TERMINAL_ID_NB"))

MIN_STEP_FRAUDS = 5
FEW_PASSES = 8

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recipe:
    """All that a training run depends on, but for its data."""

    seed: int = 0
    widths: tuple[int, ...] = (64, 64)  # of the dense layers of one network
    branches: int = 4  # networks
    activation: str = "swish"
    updates: int = 6_000  # of the weights, in whole passes over the rows
    max_epochs: int = 20  # passes over few rows
    batch_rows: int = 256
    learning_rate: float = 2e-3  # at the start; falls to 0 along a cosine
    weight_decay: float = 0.01
    clip: float = 10.0  # standard deviations
    from_regression: bool = False  # whether it begins as a logistic regression

    def begun_as_regression(self) -> "Recipe":
        """The same with few passes, that begin as the regression."""
        passes = min(self.max_epochs, FEW_PASSES)
        return replace(self, from_regression=True, max_epochs=passes)

    def batches(self, rows: int) -> int:
        """Updates in one pass over so many rows."""
        return max(1, -(-rows // self.batch_rows))

    def epochs(self, rows: int) -> int:
        """Passes over so many rows."""
        return min(self.max_epochs, -(-self.updates // self.batches(rows)))


def fit(
    rows: Array,
    is_fraud: Array,
    recipe: Recipe,
    show: Callable[[int], None] = lambda epochs: None,
    *,
    by_meaning: bool = True,
) -> Any:
    """Train a network; a `keras.Model` from float32 (n, features) to probabilities (n, 1).

    Args:
        show: called after each epoch with the number of those done.
        by_meaning: whether the features are the Handbook's.
    """
    with repeatable(recipe.seed):
        return _fit(rows, is_fraud, recipe, show, by_meaning)


def _fit(
    rows: Array, is_fraud: Array, recipe: Recipe, show: Callable[[int], None], by_meaning: bool
) -> Any:
    keras = open_keras()
    rows = np.asarray(rows, dtype=np.float32)
    truth = np.asarray(is_fraud, dtype=np.float32)[:, np.newaxis]
    if by_meaning:
        preparation = _preparation(rows, truth[:, 0] > 0, recipe)
    else:
        preparation = _plain_preparation(rows, recipe)
    if recipe.from_regression:
        preparation = _with_log_odds(preparation, fit_regression(rows, truth[:, 0]))
    prepared = preparation.predict(rows, batch_size=8_192, verbose=0)
    trunk = _trunk(prepared.shape[1], recipe)
    batches, epochs = recipe.batches(len(rows)), recipe.epochs(len(rows))
    trunk.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(recipe.learning_rate, batches * epochs),
            weight_decay=recipe.weight_decay,
        ),
        keras.losses.BinaryCrossentropy(from_logits=True),
        steps_per_execution=min(batches, 64),
        jit_compile=False,  # compiling takes longer than a short training
    )
    trunk.fit(
        prepared,
        np.repeat(truth, recipe.branches, axis=1),
        batch_size=recipe.batch_rows,
        epochs=epochs,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda n, logs: show(n + 1))],
    )
    return _network(preparation, trunk)


def _preparation(rows: Array, is_fraud: Array, recipe: Recipe) -> Any:
    """From raw features to what the dense layers read; made of Keras's own operations alone,
    so that anyone can open the saved model."""
    keras = open_keras()
    ops, take = keras.ops, keras.ops.take
    features = keras.Input((len(FEATURES),), name="features")
    amount = take(features, [AMOUNT], axis=1)
    risks = take(features, RISKS, axis=1)
    step = amount_step(rows[:, AMOUNT], is_fraud)
    parts = [
        ops.log1p(ops.maximum(take(features, AMOUNTS + COUNTS, axis=1), 0.0)),
        take(features, FLAGS, axis=1),
        amount,
        risks,
        ops.sqrt(ops.maximum(risks, 0.0)),
        ops.multiply(risks, take(features, TERMINAL_COUNTS, axis=1)),
    ]
    if step is not None:
        parts.append(ops.cast(ops.greater(amount, step), "float32"))
    return _standardised(features, ops.concatenate(parts, axis=1), rows, recipe)


def _plain_preparation(rows: Array, recipe: Recipe) -> Any:
    """The same of features of any meaning."""
    keras = open_keras()
    ops = keras.ops
    features = keras.Input((rows.shape[1],), name="features")
    logarithms = ops.multiply(ops.sign(features), ops.log1p(ops.absolute(features)))
    return _standardised(features, ops.concatenate([features, logarithms], axis=1), rows, recipe)


def _standardised(features: Any, prepared: Any, rows: Array, recipe: Recipe) -> Any:
    keras = open_keras()
    joined = keras.Model(features, prepared)
    values = joined.predict(rows, batch_size=8_192, verbose=0).astype(np.float64)
    variance = np.maximum(values.var(axis=0), 1e-6)
    scale = keras.layers.Normalization(mean=values.mean(axis=0), variance=variance)
    standardised = scale(joined.output)
    return keras.Model(features, keras.ops.clip(standardised, -recipe.clip, recipe.clip))


def _with_log_odds(preparation: Any, regression: Regression) -> Any:
    """With those of the regression as one more column, the last."""
    keras = open_keras()
    log_odds = regression.log_odds(preparation.input)
    joined = keras.ops.concatenate([preparation.output, log_odds], axis=1)
    return keras.Model(preparation.input, joined)


def amount_step(amounts: Array, is_fraud: Array) -> float | None:
    """The amount that splits frauds from genuine rows with the largest gain of information.

    None if no split has `MIN_STEP_FRAUDS` frauds on its more suspicious side.
    """
    order = np.argsort(amounts, kind="stable")
    values = np.asarray(amounts, dtype=np.float64)[order]
    frauds = np.cumsum(np.asarray(is_fraud, dtype=bool)[order])
    rows = np.arange(1, len(values) + 1)
    total = frauds[-1] if len(frauds) else 0
    others, left = len(values) - rows, frauds / rows
    right = (total - frauds) / np.maximum(others, 1)
    can_split = (np.diff(values, append=values[-1:]) > 0) & (
        np.where(right > left, total - frauds, frauds) >= MIN_STEP_FRAUDS
    )
    if not can_split.any():
        return None
    entropy = rows * _entropy(left) + others * _entropy(right)
    place = int(np.argmin(np.where(can_split, entropy, np.inf)))
    return float((values[place] + values[place + 1]) / 2)


def _entropy(share: Array) -> Array:
    inside = np.clip(share, 1e-12, 1 - 1e-12)
    result: Array = -(inside * np.log(inside) + (1 - inside) * np.log(1 - inside))
    return result


def _trunk(width: int, recipe: Recipe) -> Any:
    """Dense networks side by side; their log-odds, shape (n, branches)."""
    keras = open_keras()
    ops, prepared = keras.ops, keras.Input((width,))
    read, start = prepared, None
    if recipe.from_regression:
        read = ops.take(prepared, tuple(range(width - 1)), axis=1)
        start = ops.take(prepared, (width - 1,), axis=1)
    log_odds = []
    for _ in range(recipe.branches):
        hidden = read
        for units in recipe.widths:
            hidden = keras.layers.Dense(units, activation=recipe.activation)(hidden)
        if start is None:
            log_odds.append(keras.layers.Dense(1)(hidden))
        else:
            last = keras.layers.Dense(1, kernel_initializer="zeros")
            log_odds.append(ops.add(last(hidden), start))
    joined = keras.ops.concatenate(log_odds, axis=1) if recipe.branches > 1 else log_odds[0]
    return keras.Model(prepared, joined)


def _network(preparation: Any, trunk: Any) -> Any:
    """Both in one, without the traces of training."""
    keras = open_keras()
    log_odds = keras.ops.mean(trunk(preparation.output), axis=1, keepdims=True)
    probability = keras.layers.Activation("sigmoid", name="probability")(log_odds)
    return keras.Model(preparation.input, probability, name="fraud_detector")
