"""The four SQL tables of the sentiment panel and their rows as typed values.

- `review_sentiment`: one current row per (source, review_id);
- `rejected_reviews`: one row per rejected row of a source on a run date;
- `sentiment_runs`: one row per run; always rows_read = scored + reused + rejected;
- `sentiment_sources`: the inputs that have results under a source's name.

The same columns mean the same on SQLite and PostgreSQL: times go in and come back aware and
in UTC, dates are dates, and what a row must hold is also a constraint of its table.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import UnionType
from typing import Any, get_args, get_type_hints

import sqlalchemy as sa

from services.storage.database import create_missing
from services.storage.utc import UtcDateTime

NO_PRIVILEGE = "42501"  # a state of PostgreSQL


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row of `review_sentiment`; the fields are its columns, in order."""

    source: str
    review_id: str
    label: str  # POSITIVE, NEGATIVE, or NEUTRAL where the model has such a label
    score: float  # probability of the label
    positive_probability: float
    model: str
    model_digest: str
    text_digest: str
    run_id: str
    run_date: date
    scored_at: datetime  # aware
    neutral_probability: float | None = None  # None: the model has no such label


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A row of `sentiment_runs`; the fields are its columns."""

    run_id: str
    source: str
    run_date: date
    status: str  # running, finished, stopped or failed
    model: str
    model_digest: str
    precision: str
    rows_read: int = 0
    scored: int = 0
    reused: int = 0
    rejected: int = 0
    rows_waiting: int = 0  # accepted rows that have no result yet
    parts: int = 0
    parts_done: int = 0
    positive_share: float | None = None
    histogram: list[int] | None = None  # of positive_probability, equal bins over [0, 1]
    started_at: datetime  # aware
    ended_at: datetime | None = None
    message: str = ""
    neutral_share: float | None = None  # None: the model has no such label
    code_version: str | None = None  # None: of a version that did not write it down

    @property
    def rows(self) -> int:
        """Rows that have a result; the histogram's sum."""
        return self.scored + self.reused


class JsonCounts(sa.TypeDecorator[list[int]]):
    """A list of counts as JSON text, which every SQL tool reads alike."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: list[int] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps([int(count) for count in value])

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> list[int] | None:
        return None if value is None else [int(count) for count in json.loads(value)]


_LABEL_CHECK = "label IN ('POSITIVE', 'NEGATIVE', 'NEUTRAL')"
_OLD_LABEL_CHECK = "label IN ('POSITIVE', 'NEGATIVE')"

METADATA = sa.MetaData()
YOUNGEST = sa.MetaData()  # of a table that some users may not create
_KINDS: dict[object, type[sa.types.TypeEngine[Any]]] = {
    str: sa.Text,
    int: sa.BigInteger,
    float: sa.Double,
    date: sa.Date,
    datetime: UtcDateTime,
    list[int]: JsonCounts,
}


def _table_of(row: type, name: str, key: Sequence[str], *checks: str) -> sa.Table:
    """The table whose columns are a row's fields; those that may be None may be null."""
    columns = []
    for field, hint in get_type_hints(row).items():
        kind, *other = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        columns.append(
            sa.Column(field, _KINDS[kind], primary_key=field in key, nullable=bool(other))
        )
    return sa.Table(name, METADATA, *columns, *map(sa.CheckConstraint, checks))


REVIEW_SENTIMENT = _table_of(
    ScoredRow,
    "review_sentiment",
    ("source", "review_id"),
    _LABEL_CHECK,
    "score BETWEEN 0 AND 1",
    "positive_probability BETWEEN 0 AND 1",
)

SENTIMENT_RUNS = _table_of(
    RunRow,
    "sentiment_runs",
    ("run_id",),
    "rows_read = scored + reused + rejected",
    "status IN ('running', 'finished', 'stopped', 'failed')",
)

REJECTED_REVIEWS = sa.Table(
    "rejected_reviews",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("run_date", sa.Date, primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("row_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("review_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("excerpt", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
)

SENTIMENT_SOURCES = sa.Table(
    "sentiment_sources",
    YOUNGEST,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("origin_digest", sa.Text, primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
)


def create_tables(connection: sa.Connection, lock: int) -> bool:
    """Create the tables, and what an older database lacks: columns that may be null, and the label
    NEUTRAL.

    Returns: whether `sentiment_sources` is there; a user who may not create the youngest table
        goes on without it.
    """
    create_missing(connection, METADATA, lock)
    _admit_neutral(connection)
    try:
        with connection.begin_nested():
            create_missing(connection, YOUNGEST, lock)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != NO_PRIVILEGE:
            raise
        return False
    return True


def _admit_neutral(connection: sa.Connection) -> None:
    """Let an older table hold the label NEUTRAL; its rows stay where they are."""
    table = REVIEW_SENTIMENT.name
    if connection.dialect.name == "postgresql":
        for check in sa.inspect(connection).get_check_constraints(table):
            text = str(check["sqltext"])
            if "'NEGATIVE'" in text and "'NEUTRAL'" not in text:
                drop = f'ALTER TABLE {table} DROP CONSTRAINT "{check["name"]}"'
                connection.exec_driver_sql(f"{drop}, ADD CHECK ({_LABEL_CHECK})")
        return
    where = "WHERE type = 'table' AND name = ?"
    query = f"SELECT sql FROM sqlite_schema {where}"
    created = connection.exec_driver_sql(query, (table,)).scalar_one()
    if _OLD_LABEL_CHECK not in created:
        return
    # SQLite drops no constraint; https://www.sqlite.org/lang_altertable.html describes this way
    # for changes that leave the rows as they are.
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        f"UPDATE sqlite_schema SET sql = ? {where}",
        (created.replace(_OLD_LABEL_CHECK, _LABEL_CHECK), table),
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")


def describe_mismatch(connection: sa.Connection) -> str | None:
    """How a table that is there differs from these in its key, or in a column that must be filled;
    None: in nothing that `create_tables` could not mend."""
    inspector = sa.inspect(connection)
    for table in (*METADATA.sorted_tables, SENTIMENT_SOURCES):
        if not inspector.has_table(table.name):
            continue
        there = {column["name"] for column in inspector.get_columns(table.name)}
        if missing := [c.name for c in table.columns if not c.nullable and c.name not in there]:
            return f"the table {table.name} there has no column {', '.join(missing)}"
        key = table.primary_key.columns.keys()
        if set(inspector.get_pk_constraint(table.name)["constrained_columns"]) != set(key):
            return f"the table {table.name} there is not keyed by {', '.join(key)}"
    return None
