"""Rows of the log into SQL: many with each statement, each row once.

A statement takes many rows since a thread that writes gives up Python's lock and has to win it
back with every statement, against a busy event loop. It takes no more, since binding its values
holds that lock.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from services.fraud.tables import (
    FEATURE_COLUMNS,
    FRAUD_BATCHES,
    FRAUD_LABELS,
    FRAUD_PREDICTIONS,
    Batch,
    Label,
    Prediction,
)

ROWS_PER_STATEMENT = (100, 10, 1)

Row = tuple[Any, ...]  # of the fields of Prediction, Label or Batch
Instant = Callable[[float], object]


@dataclass(frozen=True)
class Kind:
    """A table of the log.

    Attributes:
        fields: the names of a row's values, in their order.
        on_conflict: what happens to a row whose key is there.
        record: a row as the values of the table's columns.
    """

    table: sa.Table
    fields: tuple[str, ...]
    on_conflict: str
    record: Callable[[Row, Instant], Row]

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Insert rows within the connection's transaction.

        Raises: what the driver raises.
        """
        is_postgres = connection.dialect.name == "postgresql"
        instant = _as_datetime if is_postgres else _as_text
        for part in _parts(rows):
            values: list[Any] = []
            for row in part:
                values += self.record(row, instant)
            statement = _statement(self, len(part), "%s" if is_postgres else "?")
            connection.exec_driver_sql(statement, tuple(values))


def _prediction(row: Row, instant: Instant) -> Row:
    *before, answered_at = row[:8]
    features = row[17]
    # A numpy float would be stored as bytes.
    numbers = map(float, features) if features is not None else (None,) * len(FEATURE_COLUMNS)
    return (*before, instant(answered_at), *row[8:17], *numbers)


def _label(row: Row, instant: Instant) -> Row:
    return (row[0], bool(row[1]), instant(row[2]), instant(row[3]))


def _batch(row: Row, instant: Instant) -> Row:
    return (*row[:5], instant(row[5]), *row[6:])


PREDICTIONS = Kind(FRAUD_PREDICTIONS, Prediction._fields, "DO NOTHING", _prediction)
LABELS = Kind(
    FRAUD_LABELS,
    Label._fields,
    "(transaction_id) DO UPDATE SET is_fraud = excluded.is_fraud,"
    " labelled_at = excluded.labelled_at, received_at = excluded.received_at"
    " WHERE excluded.labelled_at >= fraud_labels.labelled_at",
    _label,
)
BATCHES = Kind(FRAUD_BATCHES, Batch._fields, "DO NOTHING", _batch)
KINDS = {kind.table.name: kind for kind in (PREDICTIONS, LABELS, BATCHES)}


def latest_labels(rows: Iterable[Row]) -> list[Row]:
    """One label per transaction, the latest; PostgreSQL refuses a statement with a key twice."""
    latest: dict[str, Row] = {}
    for row in rows:
        known = latest.get(row[0])
        if known is None or row[2] >= known[2]:
            latest[row[0]] = row
    return list(latest.values())


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    left, place = iter(rows), 0
    for size in ROWS_PER_STATEMENT:
        while len(rows) - place >= size:
            yield list(islice(left, size))
            place += size


@cache
def _statement(kind: Kind, rows: int, placeholder: str) -> str:
    names = [f'"{column.name}"' for column in kind.table.columns]
    values = f"({', '.join([placeholder] * len(names))})"
    return (
        f"INSERT INTO {kind.table.name} ({', '.join(names)})"
        f" VALUES {', '.join([values] * rows)} ON CONFLICT {kind.on_conflict}"
    )


def _as_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _as_text(seconds: float) -> str:
    """As SQLAlchemy writes an instant in UTC into SQLite."""
    return _as_datetime(seconds).replace(tzinfo=None).isoformat(" ", "microseconds")
