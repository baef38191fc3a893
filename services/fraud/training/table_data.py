"""A table of any columns, as training data: what is learnt are its numbers as they are.

- Each row stands for itself: nothing is known of customers and terminals. The last rows, by their
  times, test; all before them train. Rows of one time are not torn apart.
- A column of categories becomes a column of 0 and 1 for each value that the rows for training hold.
- What is no number is refused, all such columns at once; so are blank cells, unless a number stands
  for them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import TransactionsError
from services.fraud.scoring.evaluation import Metrics, alert_threshold, day_of, evaluate
from services.fraud.transactions.features import DAY_S

Array = np.ndarray[Any, Any]

_ARRAYS, _FACTS = "table.npz", "table.json"


@dataclass(frozen=True)
class Timeline:
    """The times of the rows in seconds, ascending.

    start: "since …" in words, of times without dates; None: since 1970, UTC.
    """

    seconds: Array
    start: str | None

    def days(self, rows: Array) -> Array:
        """Of these rows, the number of the day since the first of them."""
        chosen = self.seconds[rows]
        numbers: Array = ((chosen - chosen[:1]) // DAY_S).astype(np.int64)
        return numbers

    def length(self, rows: Array) -> float:
        """Days from the first to the last of these rows; dates alone are whole days."""
        chosen = self.seconds[rows]
        whole = DAY_S if not (self.seconds % DAY_S).any() else 0
        return float(max(chosen[-1] - chosen[0] + whole, 1)) / DAY_S

    def period(self, rows: Array) -> str:
        """From when to when."""
        first, last = self.seconds[rows][[0, -1]]
        if self.start is None:
            return f"{day_of(int(first // DAY_S))} to {day_of(int(last // DAY_S))}"
        return f"{first:,.0f} to {last:,.0f} seconds {self.start}"


@dataclass(frozen=True)
class TableData:
    """Rows with their labels, in the order of their times.

    Attributes:
        names: of the features.
        rows: the features, float32, shape (n, features).
        train: which rows train; all others test.
        timeline: None if the rows have no times.
        assumed: how the file was read, in words.
    """

    names: tuple[str, ...]
    rows: Array
    is_fraud: Array
    train: Array
    timeline: Timeline | None
    assumed: Mapping[str, str]

    @property
    def test(self) -> Array:
        """Which rows test."""
        rows: Array = ~self.train
        return rows

    @property
    def digest(self) -> str:
        """The sha256 of names, numbers and labels, hexadecimal."""
        digest = hashlib.sha256(json.dumps(self.names).encode())
        digest.update(self.rows.astype("<f4").tobytes())
        digest.update(self.is_fraud.astype("<i1").tobytes())
        return digest.hexdigest()

    def evaluate(self, probabilities: Array) -> Metrics:
        """The quality of probabilities for the test rows; each row counts as a card of its own."""
        truth = self.is_fraud[self.test]
        days = self.timeline.days(self.test) if self.timeline else np.zeros(len(truth), np.int64)
        return evaluate(days, np.arange(len(truth)), probabilities, truth)

    def alerts_per_day(self, wanted: float) -> float | None:
        """The budget that gives the threshold; None without times."""
        return wanted if self.timeline else None

    def threshold(self, probabilities: Array, alerts_per_day: float) -> float:
        """The threshold that keeps the budget on the test rows.

        Without times as many are flagged as there would be frauds if their share were that of the
        rows for training.
        """
        if self.timeline:
            budget = alerts_per_day * self.timeline.length(self.test)
        else:
            budget = len(probabilities) * float(self.is_fraud[self.train].mean())
        together = np.zeros(len(probabilities), np.int64)
        return alert_threshold(together, np.arange(len(together)), probabilities, max(budget, 1))

    def periods(self) -> dict[str, str]:
        """What trains and what tests."""
        if self.timeline:
            return {
                "train": self.timeline.period(self.train),
                "test": self.timeline.period(self.test),
            }
        last = int(self.train.sum())
        return {
            "train": f"rows 1 to {last:,}",
            "test": f"rows {last + 1:,} to {len(self.rows):,}",
        }

    def write(self, folder: Path) -> None:
        """Leave it for `read`."""
        seconds = self.timeline.seconds if self.timeline else np.zeros(0)
        np.savez(
            folder / _ARRAYS,
            rows=self.rows,
            is_fraud=self.is_fraud,
            train=self.train,
            seconds=seconds,
        )
        facts = _Facts(
            names=self.names,
            assumed=dict(self.assumed),
            timed=self.timeline is not None,
            start=self.timeline.start if self.timeline else None,
        )
        (folder / _FACTS).write_text(json.dumps(asdict(facts)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "TableData":
        """What was written. Raises: TransactionsError: the facts are not that."""
        try:
            facts = _Facts(**read_object(folder / _FACTS))
        except TypeError:
            raise _damaged(folder / _FACTS) from None
        with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
            return cls(
                names=tuple(facts.names),
                rows=arrays["rows"],
                is_fraud=arrays["is_fraud"],
                train=arrays["train"],
                timeline=Timeline(arrays["seconds"], facts.start) if facts.timed else None,
                assumed=facts.assumed,
            )

    @staticmethod
    def lies_in(folder: Path) -> bool:
        """Whether one was written there."""
        return (folder / _FACTS).exists()


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object that a step left. Raises: TransactionsError: it is none."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _damaged(file)
    return found


def _damaged(file: Path) -> TransactionsError:
    return TransactionsError(f"{file} is damaged: start the training again")


@dataclass(frozen=True)
class _Facts:
    """What is no array."""

    names: tuple[str, ...]
    assumed: dict[str, str]
    timed: bool
    start: str | None
