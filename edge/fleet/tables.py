"""The SQL tables of the fleet.

- `device_telemetry`: one row per interval of a device; unique by device, number and time. Its
  columns follow from the fields of the contract's record, and a few are worked out of them;
- `devices`: one row per device, as its newest record shows it, and how it was last judged;
- `rejected_telemetry`: what could not be loaded, and why.

The same columns mean the same on SQLite and PostgreSQL: instants are aware and in UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_origin

import sqlalchemy as sa
from edge_detector.contract.schema import field_types, plain_type
from edge_detector.contract.telemetry import Record

from edge.fleet.record import Received
from services.storage.utc import UtcDateTime

_SQL_TYPES: dict[object, Any] = {
    int: sa.BigInteger,
    float: sa.Double,
    str: sa.Text,
    Literal: sa.Text,
    Mapping: sa.JSON,
}
_KEYS = ("device", "seq", "at")
_NESTED = {
    field for field, hint in field_types(Record).items() if is_dataclass(plain_type(hint)[0])
}


def _record_columns() -> Iterator[sa.Column[Any]]:
    """A column for each field of a record; for each field of an object in it, if it is one."""
    for field, hint in field_types(Record).items():
        kind, optional = plain_type(hint)
        if field in _NESTED:
            for inner, inner_hint in field_types(kind).items():
                yield _column(_nested_name(field, inner), plain_type(inner_hint)[0], optional)
        elif field not in ("format", *_KEYS):
            yield _column(field, kind, optional)


def _column(name: str, kind: Any, optional: bool) -> sa.Column[Any]:
    return sa.Column(name, _SQL_TYPES[get_origin(kind) or kind], nullable=optional)


def _nested_name(field: str, inner: str) -> str:
    """The name of a model is in the column `model`, its version in `version`."""
    return field if inner == "name" else inner


def _telemetry_columns() -> Iterator[sa.Column[Any]]:
    yield sa.Column("device", sa.Text, primary_key=True)
    yield sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False)
    yield sa.Column("at", UtcDateTime, primary_key=True)  # a wiped device counts from 1 again
    yield sa.Column("hour", UtcDateTime, nullable=False, index=True)  # that `at` lies in
    for column in _record_columns():
        yield column
        if column.name == "reopened":  # from capture to result, where they have always stood
            yield sa.Column("p50_ms", sa.Double)
            yield sa.Column("p99_ms", sa.Double)
    yield sa.Column("loaded_at", UtcDateTime, nullable=False)
    # What a clock that was not set said; `at` is then when the record arrived. Null: `at` is the
    # device's own.
    yield sa.Column("said_at", UtcDateTime)


METADATA = sa.MetaData()

DEVICE_TELEMETRY = sa.Table("device_telemetry", METADATA, *_telemetry_columns())

SHOWN = (  # of the newest record, in a device's row
    "interval_s",
    "fps",
    "p99_ms",
    "temperature_c",
    "state",
    "model",
    "version",
    "sha256",
    "runtime",
    "offline_s",
    "lost",
)

DEVICES = sa.Table(
    "devices",
    METADATA,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("first_seen", UtcDateTime, nullable=False),
    sa.Column("last_seen", UtcDateTime, nullable=False),
    *(
        sa.Column(name, DEVICE_TELEMETRY.c[name].type, nullable=DEVICE_TELEMETRY.c[name].nullable)
        for name in SHOWN
    ),
    sa.Column("health", sa.Text),  # null until it was judged
    sa.Column("reason", sa.Text),
    sa.Column("judged_at", UtcDateTime),
)

REJECTED_TELEMETRY = sa.Table(
    "rejected_telemetry",
    METADATA,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),  # 0: the whole file
    sa.Column("lines", sa.BigInteger, nullable=False),  # that this row stands for
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("excerpt", sa.Text, nullable=False),
    sa.Column("rejected_at", UtcDateTime, nullable=False),
)


def telemetry_row(received: Received, loaded_at: datetime) -> dict[str, object]:
    """A record as a row of `device_telemetry`."""
    record = received.record
    row: dict[str, object] = dict.fromkeys(DEVICE_TELEMETRY.c.keys())
    for field, value in vars(record).items():
        if field in _NESTED:
            inner_values = {} if value is None else vars(value)
            row |= {_nested_name(field, inner): part for inner, part in inner_values.items()}
        elif isinstance(value, dict):
            row[field] = {
                key: vars(entry) if is_dataclass(entry) else entry for key, entry in value.items()
            }
        elif field != "format":
            row[field] = value
    total = record.latency_ms.get("total")
    at = record.at.astimezone(UTC)
    return row | {
        "at": at,
        "hour": at.replace(minute=0, second=0, microsecond=0),
        "p50_ms": total.p50 if total else None,
        "p99_ms": total.p99 if total else None,
        "loaded_at": loaded_at,
        "said_at": received.said_at,
    }
