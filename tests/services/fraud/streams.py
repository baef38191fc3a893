"""Streams of transactions for the tests of the state, and what a process does with them."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from services.fraud.state.snapshot import Pointer, read_pointer, write_snapshot
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import DAY_S, DELAY_DAYS, Windows, assemble
from tests.services.fraud.driven import PATIENT_S, Driven, InFile

if TYPE_CHECKING:  # a process that only records needs no pandas
    import pandas as pd

START = 1_533_081_600  # 2018-08-01


def stream(rows: int, *, days: int = 60, seed: int = 0, keys: tuple[int, int] = (200, 100)):
    """A labelled table of random transactions of `keys` customers and terminals, by time.

    Every tenth comes in the same second as the one before, and every fortieth by the same
    customer at that; whole days lie between some of the others.
    """
    import pandas as pd

    draw = np.random.default_rng(seed)
    customers, terminals = (draw.integers(0, count, rows) for count in keys)
    time = START + np.sort(draw.integers(0, days * DAY_S, rows))
    time[10::10] = time[9:-1:10]
    customers[40::40] = customers[39:-1:40]
    time[7::50] = time[7::50] // DAY_S * DAY_S
    time = np.maximum.accumulate(time)
    return pd.DataFrame(
        {
            "transaction_id": np.arange(rows),
            "customer_id": customers,
            "terminal_id": terminals,
            "cents": draw.integers(0, 30_000, rows),
            "time": time,
            "is_fraud": draw.random(rows) < 0.1,
        }
    )


def transactions(table: "pd.DataFrame") -> Iterator[Transaction]:
    """The rows of a table, one by one, as the service gets them."""
    for row in table.itertuples():
        yield Transaction(
            str(row.transaction_id),
            str(row.customer_id),
            str(row.terminal_id),
            int(str(row.cents)),
            int(str(row.time)),
        )


def features(table: "pd.DataFrame", windows: list[Windows]) -> "np.ndarray[Any, Any]":
    """The features of the rows of a table whose windows were seen, shape (n, 15)."""
    rows = zip(transactions(table), windows, strict=True)
    return np.array([assemble(row.cents, row.time, seen) for row, seen in rows])


def snapshot(table: "pd.DataFrame", as_of: int, home: Path) -> Pointer:
    """Write a snapshot, and follow the pointer to it."""
    write_snapshot(table, as_of, home)
    pointer = read_pointer(home)
    assert pointer is not None
    return pointer


def replay(state: Driven, table: "pd.DataFrame", labels: "pd.DataFrame") -> list[Windows]:
    """Give rows to the state as they come, and each of `labels` once it is old enough."""
    seen: list[Windows] = []
    times = labels["time"].to_numpy()
    labelled_at = times + DELAY_DAYS * DAY_S
    due = zip(labels["transaction_id"].astype(str), labels["is_fraud"], labelled_at, strict=True)
    told = 0

    def decide(windows: Windows) -> bytes:
        seen.append(windows)
        return b"answer"

    for transaction in transactions(table):
        known = int(np.searchsorted(times, transaction.time - DELAY_DAYS * DAY_S, side="right"))
        if known > told:
            some = itertools.islice(due, known - told)
            state.label((key, bool(fraud), float(at)) for key, fraud, at in some)
            told = known
        assert state.once(transaction, decide).recorded
    return seen


def write_transactions(path: Path, name: str, count: int) -> None:
    """What a worker does: record transactions of one customer, and say how many it has seen."""
    state = InFile(path, patience_s=PATIENT_S)
    for number in range(count):
        outcome = state.once(
            Transaction(f"{name}-{number}", "alice", "till", 100, START),
            lambda windows: str(windows.customer_counts[0]).encode(),
        )
        print(outcome.answer.decode(), int(outcome.recorded), flush=True)
    state.close()


if __name__ == "__main__":
    import sys

    write_transactions(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
