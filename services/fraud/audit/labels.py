"""Labels that arrive late, in a file: read, checked, and loaded into the log.

A file is CSV or Parquet with the columns `transaction_id` and `is_fraud`, and `labelled_at`
where it is known (a time, or a day), with any delimiter; Sparkov and IEEE-CIS have names of their
own for the first two. It is taken as a whole or not at all, by the same rules as a
file of transactions: `table_file` says how it has to look, `fields` what its values may be.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from services.fraud.log.database import Database
from services.fraud.log.rows import LABELS
from services.fraud.log.tables import FRAUD_PREDICTIONS, Label
from services.fraud.transactions.columns import MICROSECONDS, Column, Integers
from services.fraud.transactions.fields import LABEL_AHEAD
from services.fraud.transactions.foreign import find_delimiter
from services.fraud.transactions.mapping import LAYOUTS
from services.fraud.transactions.table_file import Wanted, fits, read_columns, read_names

WANTED = (
    Wanted("transaction_id", "TRANSACTION_ID"),
    Wanted("is_fraud", "TX_FRAUD"),
    Wanted("labelled_at", required=False),
)
ROWS_PER_TRANSACTION = 5_000


@dataclass(frozen=True)
class LoadedLabels:
    """What a file held; `unknown` transactions have no answer in the log, and are kept."""

    labels: int
    frauds: int
    unknown: int


def load_labels(path: Path, database: Database, received_at: datetime) -> LoadedLabels:
    """Read a file and load it; doing so twice changes nothing.

    received_at: aware; also the time of a label whose own is not given.

    Raises:
        TransactionsError: the file cannot be read, or a row is wrong.
        LogError: the database refused.
    """
    labels = read_labels(path, received_at)
    database.prepare()
    known = 0
    for start in range(0, len(labels), ROWS_PER_TRANSACTION):
        part = labels[start : start + ROWS_PER_TRANSACTION]
        with database.transaction(writes=True) as connection:
            LABELS.insert(connection, part)
            known += _count_known(connection, [label.transaction_id for label in part])
    frauds = sum(label.is_fraud for label in labels)
    return LoadedLabels(len(labels), frauds, len(labels) - known)


def read_labels(path: Path, received_at: datetime) -> list[Label]:
    """The labels of a file, one per transaction, the latest.

    Raises:
        TransactionsError: the file cannot be read, a row is wrong, or two labels of the same
            time contradict each other.
    """
    columns = _read(path)
    ids, is_fraud = columns["transaction_id"], columns["is_fraud"]
    labels = pd.DataFrame({"id": ids.ids(), "is_fraud": is_fraud.flags()})
    labels["at"] = _instants(columns.get("labelled_at"), received_at) / MICROSECONDS
    others = labels.groupby(["id", "at"])["is_fraud"].transform("nunique")
    is_fraud.refuse(others.to_numpy() > 1, "another row labels this transaction otherwise")
    latest = labels.sort_values("at", kind="stable").drop_duplicates("id", keep="last")
    received = received_at.timestamp()
    rows = zip(latest["id"], latest["is_fraud"], latest["at"], strict=True)
    return [Label(str(key), bool(fraud), float(at), received) for key, fraud, at in rows]


def _read(path: Path) -> dict[str, Column]:
    """The columns that count, whatever separates them, and as public data sets call them too."""
    names = read_names(path)
    called = [layout.labels for layout in LAYOUTS if layout.labels]
    for header, theirs in product(names.values(), called):
        wanted = [replace(column, given=theirs.get(column.name)) for column in WANTED]
        if fits(header, wanted) and not fits(header, WANTED):
            return read_columns(path, wanted, find_delimiter(names, wanted))
    return read_columns(path, WANTED, find_delimiter(names, WANTED))


def _instants(column: Column | None, received_at: datetime) -> Integers | int:
    """When the labels became known, in microseconds since 1970."""
    received = round(received_at.timestamp() * MICROSECONDS)
    if column is None:
        return received
    known = column.microseconds_or(received)
    ahead = LABEL_AHEAD // timedelta(microseconds=1)
    column.refuse(known > received + ahead, "in the future")
    return known


def _count_known(connection: sa.Connection, ids: list[str]) -> int:
    """How many of these transactions have an answer."""
    known = sa.select(FRAUD_PREDICTIONS.c.transaction_id).where(
        FRAUD_PREDICTIONS.c.transaction_id.in_(ids)
    )
    return len(set(connection.scalars(known)))
