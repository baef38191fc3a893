"""A candidate: a trained network, its TFLite form and its card in one folder.

The last days of the transactions test it. Before them lies the delay, in which labels are not
known yet, and before that the days it is trained on.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from services.fraud.errors import TransactionsError
from services.fraud.scoring.card import HANDBOOK, Card, contract_of, describe_features
from services.fraud.scoring.evaluation import (
    Metrics,
    Split,
    alert_threshold,
    baseline_split,
    day_numbers,
    day_of,
    evaluate,
)
from services.fraud.training.baseline import logistic_baseline
from services.fraud.training.conversion import (
    check_parity,
    convert,
    golden_answers,
    tflite_probabilities,
)
from services.fraud.training.few_rows import recipe_for
from services.fraud.training.network import Recipe, fit
from services.fraud.transactions.features import FEATURES, HISTORY_DAYS, table_features
from services.fraud.transactions.transactions import data_digest
from services.modelling.provenance import code_version

KERAS_FILE = "model.keras"
TFLITE_FILE = "model.tflite"
FEW_FRAUDS = 10  # in a test
MANY_FLAGGED = 0.5

Array = np.ndarray[Any, Any]


class LabelledRows(Protocol):
    """What a candidate is made from: features with labels, and which of them train and test."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""

    @property
    def rows(self) -> Array:
        """The features, shape (n, features)."""

    @property
    def is_fraud(self) -> Array:
        """The labels, shape (n,)."""

    @property
    def train(self) -> Array:
        """Which rows train, as a boolean array."""

    @property
    def test(self) -> Array:
        """Which rows test."""

    @property
    def digest(self) -> str:
        """Of the data, hexadecimal."""

    @property
    def assumed(self) -> Mapping[str, str]:
        """How a file was read, in words, where it is not of the documented form."""

    def evaluate(self, probabilities: Array) -> Metrics:
        """The quality of probabilities for the test rows."""

    def alerts_per_day(self, wanted: float) -> float | None:
        """The budget that gives the threshold; None if days are not known."""

    def threshold(self, probabilities: Array, alerts_per_day: float) -> float:
        """The threshold that keeps the budget on the test rows."""

    def periods(self) -> dict[str, str]:
        """What trains and what tests, as dates or rows."""


@dataclass(frozen=True)
class TrainingData:
    """Labelled transactions with their features, and what is done with which of them.

    assumed: how the file was read, in words, where it is not of the documented form.
    """

    table: pd.DataFrame
    rows: Array  # features, shape (n, 15)
    split: Split
    digest: str
    assumed: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return FEATURES

    @property
    def train(self) -> Array:
        return self.split.train

    @property
    def test(self) -> Array:
        return self.split.test

    @property
    def is_fraud(self) -> Array:
        labels: Array = self.table["is_fraud"].to_numpy(dtype=bool)
        return labels

    def evaluate(self, probabilities: Array) -> Metrics:
        """The quality of probabilities for the test rows."""
        return evaluate(*self._test(), probabilities, self.is_fraud[self.split.test])

    def alerts_per_day(self, wanted: float) -> float:
        """The budget that gives the threshold."""
        return wanted

    def threshold(self, probabilities: Array, alerts_per_day: float) -> float:
        """The threshold that keeps the budget on the test rows."""
        return alert_threshold(*self._test(), probabilities, alerts_per_day)

    def periods(self) -> dict[str, str]:
        """First and last day of training and of the test."""
        split = self.split
        return {
            "train": _period(split.start_train, split.train_days),
            "test": _period(split.start_test, split.test_days),
        }

    def _test(self) -> tuple[Array, Array]:
        tested = self.table[self.split.test]
        return day_numbers(tested["time"].to_numpy()), tested["customer_id"].to_numpy()


def _period(start: date, days: int) -> str:
    return f"{start} to {start + timedelta(days=days - 1)}"


def prepare_data(
    table: pd.DataFrame,
    *,
    rows: Array | None = None,
    start_test: date | None = None,
    train_days: int = 7,
    delay_days: int = 7,
    test_days: int = 7,
    assumed: Mapping[str, str] | None = None,
) -> TrainingData:
    """Compute the features and choose what trains and what tests.

    Args:
        rows: the features, if they are computed already.
        start_test: by default so that the test ends with the last day of the table.
        assumed: how the file was read.

    Raises: TransactionsError: no labels, too few days, or no frauds where some are needed.
    """
    if "is_fraud" not in table:
        raise TransactionsError("the transactions have no column is_fraud: nothing to learn from")
    if table.empty:
        raise TransactionsError("there are no transactions")
    days = day_numbers(table["time"].to_numpy())
    if start_test is None:
        start_test = day_of(days[-1]) - timedelta(days=test_days - 1)
    start_train = start_test - timedelta(days=train_days + delay_days)
    first, last = day_of(days[0]), day_of(days[-1])
    if start_train < first or start_test + timedelta(days=test_days - 1) > last:
        raise TransactionsError(
            f"training would begin on {start_train} and the test end on"
            f" {start_test + timedelta(days=test_days - 1)}, but the transactions are of {first}"
            f" to {last}: take fewer --train-days or --test-days, or another --test-start"
        )
    split = baseline_split(table, start_train, train_days, delay_days, test_days)
    is_fraud = table["is_fraud"].to_numpy(dtype=bool)
    if len(np.unique(is_fraud[split.train])) < 2:
        raise TransactionsError(
            f"the {int(split.train.sum()):,} transactions to train on, of {train_days} days from"
            f" {start_train}, hold no fraud or nothing else"
        )
    rows = table_features(table) if rows is None else rows
    return TrainingData(table, rows, split, data_digest(table), assumed or {})


def history_missing(data: TrainingData) -> int:
    """Days that are missing before the first train day for its windows to be full."""
    first = day_of(day_numbers(data.table["time"].to_numpy()[:1])[0])
    return max(0, HISTORY_DAYS - (data.split.start_train - first).days)


def doubts(data: LabelledRows, card: Card, answers: Array) -> list[str]:
    """What makes the figures of a candidate less sure, and what is odd about its threshold.

    answers: to the test rows.
    """
    found = []
    if begins_as_regression(card):
        found.append(
            f"{int(data.train.sum()):,} rows for training are few: the network began as the"
            " logistic regression"
        )
    if isinstance(data, TrainingData) and (missing := history_missing(data)):
        found.append(
            f"the transactions begin {missing} days too late for the longest windows to be full"
        )
    if card.metrics is not None and 0 < card.metrics.frauds < FEW_FRAUDS:
        found.append(f"the figures are rough: the test holds {card.metrics.frauds} frauds")
    flagged = float((answers >= card.threshold).mean()) if len(answers) else 0.0
    if flagged > MANY_FLAGGED:
        found.append(f"the threshold flags {flagged:.0%} of the test (--alerts-per-day)")
    return found


def begins_as_regression(card: Card) -> bool:
    """Whether the network was trained from the baseline on."""
    return bool(card.recipe.get("from_regression"))


def make_candidate(
    data: LabelledRows,
    recipe: Recipe,
    folder: Path,
    *,
    alerts_per_day: float = 100,
    show: Callable[[int], None] = lambda epochs: None,
) -> Card:
    """Train, convert, prove, evaluate; the folder then holds a model for the store.

    show: told after each epoch how many are done.

    Raises: ModelError: the TFLite form answers otherwise than the network.
    """
    train, contract = data.train, contract_of(data.names)
    by_meaning = contract == HANDBOOK
    rows, is_fraud = data.rows[train], data.is_fraud[train]
    recipe = recipe_for(rows, is_fraud, recipe, by_meaning=by_meaning)
    network = fit(rows, is_fraud, recipe, show, by_meaning=by_meaning)
    tflite = write_forms(network, folder)
    tested = data.rows[data.test]
    probabilities = tflite_probabilities(tflite, tested)
    card = Card(
        contract=contract,
        threshold=data.threshold(probabilities, alerts_per_day),
        alerts_per_day=data.alerts_per_day(alerts_per_day),
        recipe=asdict(recipe),
        trained_at=datetime.now(UTC),
        code_version=code_version(),
        assumed=dict(data.assumed),
        parity=check_parity(network, tflite, tested),
        golden=golden_answers(tflite, tested),
        **known_from(data, probabilities),
    )
    card.write(folder)
    return card


def known_from(data: LabelledRows, probabilities: Array) -> dict[str, Any]:
    """What a card says from the transactions: features, and quality on the test rows."""
    train, test, is_fraud = data.train, data.test, data.is_fraud
    baseline = logistic_baseline(data.rows[train], is_fraud[train], data.rows[test])
    return {
        "features": describe_features(data.rows[train], is_fraud[train], data.names),
        "metrics": data.evaluate(probabilities),
        "baseline_metrics": data.evaluate(baseline),
        "periods": data.periods(),
        "data_digest": data.digest,
    }


def write_forms(network: Any, folder: Path) -> Path:
    """Write `model.keras` and `model.tflite`; returns the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / KERAS_FILE)
    tflite = folder / TFLITE_FILE
    tflite.write_bytes(convert(network))
    return tflite
