"""The snapshot that the service's state starts from, as the night leaves it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from services.fraud.audit.answers import (
    epoch_s,
    newest_transaction,
    read_all_labels,
    read_transactions_between,
)
from services.fraud.database import Database
from services.fraud.features import DAY_S, HISTORY_DAYS
from services.fraud.snapshot import (
    COLUMNS,
    Pointer,
    read_pointer,
    read_snapshot,
    write_snapshot,
)
from services.fraud.transactions import read_transactions


@dataclass(frozen=True)
class WrittenSnapshot:
    """What was written, and from what."""

    path: Path
    rows: int
    frauds: int
    as_of: int  # seconds since 1970
    source: str


def snapshot_of_file(transactions: Path, database: Database, home: Path) -> WrittenSnapshot:
    """Make the last days of a file the current snapshot, with the labels that have arrived.

    Raises:
        TransactionsError: the file cannot be read or does not hold what it should.
        LogError: the database refused.
    """
    table = read_transactions(transactions)
    if "is_fraud" not in table:
        table["is_fraud"] = False
    return _write(table, int(table["time"].max()), database, home, transactions.name)


def snapshot_of_log(run_date: date, database: Database, home: Path) -> WrittenSnapshot | None:
    """Add what was answered before `run_date` to the current snapshot; None without either.

    Raises:
        StateUnavailable: the current snapshot is damaged.
        LogError: the database refused.
    """
    pointer = read_pointer(home)
    newest = newest_transaction(database, run_date)
    times = [pointer.as_of] if pointer else []
    times += [newest] if newest is not None else []
    if not times:
        return None
    as_of = max(times)
    since = as_of - (HISTORY_DAYS + 1) * DAY_S
    answered = read_transactions_between(database, since, min(as_of, epoch_s(run_date) - 1))
    answered["is_fraud"] = False
    before = _rows_of(pointer) if pointer else answered.iloc[:0]
    table = pd.concat([before, answered], ignore_index=True)
    table = table.drop_duplicates("transaction_id").sort_values("time", kind="stable")
    return _write(table, as_of, database, home, "the log of answers")


def _rows_of(pointer: Pointer) -> pd.DataFrame:
    rows = [row for part in read_snapshot(pointer) for row in part]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _write(
    table: pd.DataFrame, as_of: int, database: Database, home: Path, source: str
) -> WrittenSnapshot:
    labels = read_all_labels(database)
    known = table["transaction_id"].astype(str).map(labels)
    is_fraud = known.where(known.notna(), table["is_fraud"]).astype(bool)
    path = write_snapshot(table.assign(is_fraud=is_fraud), as_of, home)
    recent = table["time"].between(as_of - (HISTORY_DAYS + 1) * DAY_S, as_of, inclusive="right")
    frauds = int(is_fraud[recent].sum())
    return WrittenSnapshot(path, int(recent.sum()), frauds, as_of, source)
