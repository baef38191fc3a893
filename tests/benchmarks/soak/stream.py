"""What is asked, in its order: transactions of the simulation, repeats, features, batches, labels.

The stream goes on where the history ends that the state starts from. At 30 requests a second a
day of the simulation passes in five minutes: answers would be called degraded for old history,
so that a soak's service tolerates `MAX_STATE_AGE_H`.
"""

import json
import random
from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.benchmarks.bench_fraud import ROW
from tests.benchmarks.soak.records import Outcome, Request

if TYPE_CHECKING:
    import pandas as pd

CUSTOMERS, TERMINALS = 5_000, 10_000  # of the published simulation
A_DAY = 9_000  # transactions of so many customers, at the least
HISTORY_DAYS = 38
MAX_STATE_AGE_H = 24 * 60
# Shares of all requests; the rest are new transactions.
SHARES = {"twin": 0.02, "repeat": 0.05, "features": 0.06, "batch": 0.02, "labels": 0.02}
BATCH_ROWS = 200
LABELS_AT_ONCE = 40
LATE_S = 20.0  # labels come so long after the answer
REMEMBERED = 20_000  # answers that may be asked for again


def simulate_days(requests: int, seed: int) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The history, and the transactions that follow it: enough for so many requests."""
    from services.fraud.simulator import simulate

    days = HISTORY_DAYS + 1 + -(-requests // A_DAY)
    start = date.today() - timedelta(days=days + 1)  # all of it has been: nothing is in the future
    table = simulate(CUSTOMERS, TERMINALS, days, start, seed)
    began = datetime(start.year, start.month, start.day, tzinfo=UTC)
    end_s = int((began + timedelta(days=HISTORY_DAYS)).timestamp())
    is_history = table["time"] < end_s
    return table[is_history], table[~is_history]


class Stream:
    """Requests, one after another, in an order that a seed decides."""

    def __init__(self, transactions: "pd.DataFrame", seed: int) -> None:
        self._chance = random.Random(seed)
        self._rows: Iterator[Any] = transactions.itertuples(index=False)
        self._is_fraud: dict[str, bool] = {}
        self._answered: deque[Request] = deque(maxlen=REMEMBERED)
        self._to_label: deque[tuple[float, str]] = deque()

    def next(self, now_s: float) -> Request:
        """What is asked now."""
        drawn = self._chance.random()
        for kind, share in SHARES.items():
            if drawn < share:
                request = getattr(self, f"_{kind}")(now_s)
                return request or self._new()  # there is nothing to repeat or to label yet
            drawn -= share
        return self._new()

    def answered(self, outcome: Outcome) -> None:
        """Take note of an answer: it may be asked for again, and gets a label later."""
        request = outcome.request
        if request.key and outcome.answer and outcome.answered_s and request.kind != "repeat":
            self._answered.append(request)
            self._to_label.append((outcome.answered_s, request.key))

    def _new(self, kind: str = "new") -> Request:
        row = next(self._rows)
        key = str(row.transaction_id)
        self._is_fraud[key] = bool(row.is_fraud)
        body = {
            "transaction_id": key,
            "customer_id": str(row.customer_id),
            "terminal_id": str(row.terminal_id),
            "amount": row.cents / 100,
            "time": datetime.fromtimestamp(row.time, UTC).isoformat().replace("+00:00", "Z"),
        }
        return Request(kind, "/score_transaction", json.dumps(body).encode(), key)

    def _twin(self, now_s: float) -> Request:
        return self._new("twin")

    def _repeat(self, now_s: float) -> Request | None:
        if not self._answered:
            return None
        again = self._chance.choice(self._answered)
        return Request("repeat", again.path, again.body, again.key)

    def _features(self, now_s: float) -> Request:
        body = json.dumps({"transaction_data": self._row()}).encode()
        return Request("features", "/detect_fraud", body)

    def _batch(self, now_s: float) -> Request:
        rows = [self._row() for _ in range(BATCH_ROWS)]
        body = json.dumps({"transaction_data": rows}).encode()
        return Request("batch", "/score_batch", body)

    def _labels(self, now_s: float) -> Request | None:
        due = dict(self._take_due(now_s))
        if not due:
            return None
        labels = [{"transaction_id": key, "is_fraud": is_fraud} for key, is_fraud in due.items()]
        body = json.dumps({"labels": labels}).encode()
        return Request("labels", "/labels", body, labels=tuple(due))

    def _take_due(self, now_s: float) -> Iterator[tuple[str, bool]]:
        for _ in range(LABELS_AT_ONCE):
            if not self._to_label or self._to_label[0][0] > now_s - LATE_S:
                return
            _, key = self._to_label.popleft()
            if key in self._is_fraud:  # a twin is answered twice
                yield key, self._is_fraud.pop(key)

    def _row(self) -> list[float]:
        return [round(self._chance.uniform(1, 200), 2), *ROW[1:]]
