"""The snapshot that the service's state starts from, as the night leaves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from services.fraud.audit.answers import (
    epoch_s,
    newest_transaction,
    read_all_labels,
    read_transactions_between,
)
from services.fraud.log.database import Database
from services.fraud.state.completeness import KEPT_S, Coverage
from services.fraud.state.snapshot import (
    COLUMNS,
    GIVEN,
    coverage_of,
    coverage_of_table,
    read_pointer,
    read_snapshot,
    steps_back,
    write_snapshot,
)
from services.fraud.transactions.features import HOUR_S
from services.fraud.transactions.foreign import Reading, as_history, read_foreign

LONGEST_PAUSE_S = 36 * HOUR_S


@dataclass(frozen=True)
class WrittenSnapshot:
    """What was written, and from what."""

    path: Path
    rows: int
    frauds: int
    as_of: int  # seconds since 1970
    source: str
    assumed: Mapping[str, str] = field(default_factory=dict)  # how a file was read, in words
    steps_back: str | None = None  # that the history was newer before, in words


def snapshot_of_file(
    transactions: Path,
    database: Database,
    home: Path,
    now: datetime | None = None,
    reading: Reading | None = None,
) -> WrittenSnapshot:
    """Make the last days of a file the current snapshot, with the labels that have arrived.

    Args:
        now: as in `read_transactions`. A time in the future would end the history there, and with
            it all that was there before.
        reading: how the file is read.

    Raises:
        TransactionsError: the file cannot be read or does not hold what it should, or the state
            holds simulated transactions.
        LogError: the database refused.
    """
    table, assumed = read_foreign(transactions, reading or Reading(), now, labelled=False)
    as_of = int(table["time"].max())
    covered = coverage_of_table(table, as_of)
    if "is_fraud" not in table:
        table["is_fraud"] = False
        covered = replace(covered, labelled_until=None)
    if "transaction_id" in assumed:  # numbers of rows, which labels know nothing of
        assumed["labels"] = "those of the file alone, for its transactions have no ids"
        table = as_history(table, assumed)
        return _write(table, covered, None, home, transactions.name, assumed)
    return _write(table, covered, database, home, transactions.name, assumed)


def snapshot_of_log(
    run_date: date, database: Database, home: Path, longest_pause_s: float = LONGEST_PAUSE_S
) -> WrittenSnapshot | None:
    """Add what was answered before `run_date` to the current snapshot; None without either.

    What was answered before the snapshot's source replaced another one is left out.

    Args: longest_pause_s: where nothing was answered for longer, transactions are missing: the
        history begins after that.

    Raises:
        StateUnavailable: the current snapshot is damaged.
        LogError: the database refused.
    """
    pointer = read_pointer(home)
    since = pointer.source_since if pointer else None
    newest = newest_transaction(database, run_date, since)
    times = [pointer.as_of] if pointer else []
    times += [newest] if newest is not None else []
    if not times:
        return None
    as_of = max(times)
    until = min(as_of, epoch_s(run_date) - 1)
    answered = read_transactions_between(database, as_of - KEPT_S, until, since)
    answered["is_fraud"] = False
    rows = [row for part in read_snapshot(pointer) for row in part] if pointer else []
    before = pd.DataFrame(rows, columns=list(COLUMNS)) if pointer else answered.iloc[:0]
    table = pd.concat([before, answered], ignore_index=True)
    table = table.drop_duplicates("transaction_id").sort_values("time", kind="stable")
    before_log = coverage_of(pointer) if pointer else None
    covered = _extended(before_log, answered["time"].to_numpy(np.int64), as_of, longest_pause_s)
    whose = pointer.source if pointer else None  # what was asked about since then belongs to that
    return _write(table, covered, database, home, "the log of answers", whose=whose)


def _extended(
    before: Coverage | None, answered: npt.NDArray[np.int64], as_of: int, longest_pause_s: float
) -> Coverage:
    """What is covered once transactions that were answered at some times, in order, are added."""
    if before is None:
        first = int(answered[0]) if len(answered) else as_of + 1
        before = Coverage(first, first, None)
    live = np.concatenate(([before.as_of], answered[answered > before.as_of]))
    resumed = live[1:][np.diff(live) > longest_pause_s]
    since = int(resumed[-1]) if len(resumed) else before.since
    return Coverage(since, as_of, before.labelled_until)


def _write(
    table: pd.DataFrame,
    covered: Coverage,
    database: Database | None,
    home: Path,
    source: str,
    assumed: Mapping[str, str] | None = None,
    whose: str | None = GIVEN,
) -> WrittenSnapshot:
    """database: whose labels count before the table's; None: the table's alone do."""
    labels = pd.Series(dtype=bool) if database is None else read_all_labels(database)
    known = table["transaction_id"].astype(str).map(labels)
    is_fraud = known.where(known.notna(), table["is_fraud"]).astype(bool)
    as_of, labelled = covered.as_of, table.loc[known.notna(), "time"]
    back = steps_back(home, as_of)
    if len(labelled):
        newest = min(int(labelled.max()), as_of)
        covered = replace(covered, labelled_until=max(newest, covered.labelled_until or newest))
    path = write_snapshot(table.assign(is_fraud=is_fraud), as_of, home, covered, whose)
    recent = table["time"].between(as_of - KEPT_S, as_of, inclusive="right")
    frauds = int(is_fraud[recent].sum())
    return WrittenSnapshot(path, int(recent.sum()), frauds, as_of, source, assumed or {}, back)
