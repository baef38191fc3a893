"""Rows of the log into SQL: several with each statement, each row once.

A thread that writes gives up Python's lock and has to win it back with every statement, against
a busy event loop; and whatever it prepares for a statement, it prepares holding that lock. So
SQLite gets 25 rows at once, for which that is a tenth of a millisecond. PostgreSQL gets 100, since
each statement is a journey, and gets them as one JSON document: taking 3,000 values apart costs
its driver ten times as much.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from services.fraud.log.tables import (
    FEATURE_COLUMNS,
    FRAUD_BATCHES,
    FRAUD_LABELS,
    FRAUD_PREDICTIONS,
    Batch,
    Label,
    Prediction,
)
from services.storage.utc import UtcDateTime

ROWS_PER_STATEMENT = (25, 5, 1)
ROWS_PER_JOURNEY = 100

Row = tuple[Any, ...]  # of the fields of Prediction, Label or Batch


@dataclass(frozen=True)
class Kind:
    """A table of the log.

    Attributes:
        fields: the names of a row's values, in their order.
        on_conflict: what happens to a row whose key is there.
        record: a row as the values of the table's columns.
        defaults: the values of fields that rows of earlier versions do not have.
    """

    table: sa.Table
    fields: tuple[str, ...]
    on_conflict: str
    record: Callable[[Row], Row]
    defaults: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Insert rows within the connection's transaction.

        Raises: what the driver raises, and TypeError or ValueError for a value of another type.
        """
        if connection.dialect.name == "postgresql":
            names = [str(column.name) for column in self.table.columns]
            for part in _parts(rows, (ROWS_PER_JOURNEY,)):
                named = [dict(zip(names, self.record(row), strict=True)) for row in part]
                document = orjson.dumps(named, option=orjson.OPT_SERIALIZE_NUMPY).decode()
                connection.exec_driver_sql(_insert_document(self), (document,))
            return
        for part in _parts(rows, ROWS_PER_STATEMENT):
            values = tuple(chain.from_iterable(map(self.record, part)))
            connection.exec_driver_sql(_insert_values(self, len(part)), values)


_PREDICTION_COLUMNS = tuple(str(column.name) for column in FRAUD_PREDICTIONS.columns)
_ANSWERED_AT = Prediction._fields.index("answered_at")
_FEATURES = Prediction._fields.index("features")
_OWN_FEATURES = Prediction._fields.index("own_features")


def _prediction(row: Row) -> Row:
    features = row[_FEATURES]
    # A numpy float would be stored as bytes.
    numbers = map(float, features) if features is not None else (None,) * len(FEATURE_COLUMNS)
    own_features = row[_OWN_FEATURES]
    return (
        *row[:_ANSWERED_AT],
        _as_text(row[_ANSWERED_AT]),
        *row[_ANSWERED_AT + 1 : _FEATURES],
        *numbers,
        None if own_features is None else orjson.dumps(own_features).decode(),
        *row[_OWN_FEATURES + 1 :],
    )


def _label(row: Row) -> Row:
    return (row[0], bool(row[1]), _as_text(row[2]), _as_text(row[3]))


def _batch(row: Row) -> Row:
    return (*row[:5], _as_text(row[5]), *row[6:])


PREDICTIONS = Kind(
    FRAUD_PREDICTIONS, Prediction._fields, "DO NOTHING", _prediction, Prediction._field_defaults
)
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


def as_document(row: Row) -> bytes:
    """The values of a `Prediction` as a row of `fraud_predictions`: a JSON object by column."""
    values = dict(zip(_PREDICTION_COLUMNS, _prediction(row), strict=True))
    values["answered_at"] += "+00:00"
    return orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)


def latest_labels(rows: Iterable[Row]) -> list[Row]:
    """One label per transaction, the latest; PostgreSQL refuses a statement with a key twice."""
    latest: dict[str, Row] = {}
    for row in rows:
        known = latest.get(row[0])
        if known is None or row[2] >= known[2]:
            latest[row[0]] = row
    return list(latest.values())


def _parts(rows: Sequence[Row], sizes: Sequence[int]) -> Iterator[Sequence[Row]]:
    """All rows, as many as possible at once of the largest size; the last part may be smaller."""
    place = 0
    for size in sizes:
        while len(rows) - place >= size or (size == sizes[-1] and place < len(rows)):
            yield rows[place : place + size]
            place += size


@cache
def _insert_values(kind: Kind, rows: int) -> str:
    values = f"({', '.join('?' * len(kind.table.columns))})"
    return f"{_insert(kind)} VALUES {', '.join([values] * rows)} ON CONFLICT {kind.on_conflict}"


@cache
def _insert_document(kind: Kind) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types, values = [], []
    for column in kind.table.columns:
        is_instant = isinstance(column.type, UtcDateTime)
        stored = "timestamp" if is_instant else column.type.compile(dialect)
        types.append(f'"{column.name}" {stored}')
        values.append(f"\"{column.name}\" AT TIME ZONE 'UTC'" if is_instant else f'"{column.name}"')
    # Without WHERE, ON would be taken for that of a join.
    return (
        f"{_insert(kind)} SELECT {', '.join(values)} FROM json_to_recordset(%s::json)"
        f" AS document ({', '.join(types)}) WHERE true ON CONFLICT {kind.on_conflict}"
    )


def _insert(kind: Kind) -> str:
    names = ", ".join(f'"{column.name}"' for column in kind.table.columns)
    return f"INSERT INTO {kind.table.name} ({names})"


def _as_text(seconds: float) -> str:
    """An instant in UTC, as SQLAlchemy writes it into SQLite."""
    instant = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return instant.isoformat(" ", "microseconds")
