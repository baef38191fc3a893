"""The four SQL tables of the sentiment panel and their rows as typed values.

- `review_sentiment`: one current row per (source, review_id);
- `rejected_reviews`: one row per rejected row of a source on a run date;
- `sentiment_runs`: one row per run; always rows_read = scored + reused + rejected;
- `sentiment_sources`: the inputs that have results under a source's name.

The same columns mean the same on SQLite and PostgreSQL: times go in and come back aware and
in UTC, dates are dates, and what a row must hold is also a constraint of its table.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from services.storage.utc import UtcDateTime

NO_PRIVILEGE = "42501"  # a state of PostgreSQL
STATUSES = ("running", "finished", "stopped", "failed")


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row of `review_sentiment`; the fields are its columns, in order."""

    source: str
    review_id: str
    label: str  # POSITIVE or NEGATIVE
    score: float  # probability of the label
    positive_probability: float
    model: str
    model_digest: str
    text_digest: str
    run_id: str
    run_date: date
    scored_at: datetime  # aware


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

    def check(self) -> None:
        """Raises: ValueError: the rows do not add up, or the status is none of the four."""
        if self.rows_read != self.scored + self.reused + self.rejected:
            raise ValueError(
                f"run {self.run_id}: {self.rows_read} rows read, but {self.scored} scored"
                f" + {self.reused} reused + {self.rejected} rejected"
            )
        if self.status not in STATUSES:
            raise ValueError(f"run {self.run_id}: status {self.status!r} is none of {STATUSES}")


class JsonCounts(sa.TypeDecorator[list[int]]):
    """A list of counts as JSON text, which every SQL tool reads alike."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: list[int] | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else json.dumps([int(count) for count in value])

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> list[int] | None:
        return None if value is None else [int(count) for count in json.loads(value)]


METADATA = sa.MetaData()

REVIEW_SENTIMENT = sa.Table(
    "review_sentiment",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("review_id", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("positive_probability", sa.Double, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("model_digest", sa.Text, nullable=False),
    sa.Column("text_digest", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("run_date", sa.Date, nullable=False),
    sa.Column("scored_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("label IN ('POSITIVE', 'NEGATIVE')"),
    sa.CheckConstraint("score BETWEEN 0 AND 1"),
    sa.CheckConstraint("positive_probability BETWEEN 0 AND 1"),
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

SENTIMENT_RUNS = sa.Table(
    "sentiment_runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("run_date", sa.Date, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("model_digest", sa.Text, nullable=False),
    sa.Column("precision", sa.Text, nullable=False),
    sa.Column("rows_read", sa.BigInteger, nullable=False),
    sa.Column("scored", sa.BigInteger, nullable=False),
    sa.Column("reused", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("rows_waiting", sa.BigInteger, nullable=False),
    sa.Column("parts", sa.BigInteger, nullable=False),
    sa.Column("parts_done", sa.BigInteger, nullable=False),
    sa.Column("positive_share", sa.Double),
    sa.Column("histogram", JsonCounts),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("message", sa.Text, nullable=False),
    sa.CheckConstraint("rows_read = scored + reused + rejected"),
    sa.CheckConstraint("status IN ('running', 'finished', 'stopped', 'failed')"),
)

SENTIMENT_SOURCES = sa.Table(
    "sentiment_sources",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("origin_digest", sa.Text, primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
)


def create_tables(connection: sa.Connection) -> bool:
    """Create the tables that are missing.

    Returns: whether `sentiment_sources` is there; a user who may not create the youngest table
        goes on without it.
    """
    older = [table for table in METADATA.sorted_tables if table is not SENTIMENT_SOURCES]
    METADATA.create_all(connection, older)
    if sa.inspect(connection).has_table(SENTIMENT_SOURCES.name):
        return True
    try:
        with connection.begin_nested():
            SENTIMENT_SOURCES.create(connection)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != NO_PRIVILEGE:
            raise
        return False
    return True


def describe_mismatch(connection: sa.Connection, *, with_sources: bool) -> str | None:
    """How a table that was there before differs from these in columns or key; None: in nothing."""
    inspector = sa.inspect(connection)
    for table in METADATA.sorted_tables:
        if table is SENTIMENT_SOURCES and not with_sources:
            continue
        there = {column["name"] for column in inspector.get_columns(table.name)}
        if missing := [c.name for c in table.columns if c.name not in there]:
            return f"the table {table.name} there has no column {', '.join(missing)}"
        key = table.primary_key.columns.keys()
        if set(inspector.get_pk_constraint(table.name)["constrained_columns"]) != set(key):
            return f"the table {table.name} there is not keyed by {', '.join(key)}"
    return None
