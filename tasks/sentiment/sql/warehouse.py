"""Scores, rejected rows and runs in SQL: SQLite or PostgreSQL.

- Each method is one transaction: it happens as a whole or not at all, and a process killed
  within it leaves nothing behind.
- Loading is idempotent: the same rows again change nothing. Rows are keyed by
  (source, review_id), rejected rows by (source, run_date, file, row_number).
- Several threads and processes may load at the same time: rows go in by the order of their
  keys, so that two writers wait for each other and never deadlock.

Every method raises WarehouseError, in one line without the password, or its subclass
WarehouseBusy where trying again may help.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from itertools import islice
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from services.storage.database import Database, wait_for_turn
from services.storage.upsert import (
    Record,
    copy,
    create_staging,
    insert_many,
    upsert_from,
    upsert_into,
)
from tasks.sentiment.errors import WarehouseBusy, WarehouseError
from tasks.sentiment.reading.origin import Origin, refuse_taken_name
from tasks.sentiment.reading.reviews import Rejected
from tasks.sentiment.sql.spellings import IDS_PER_QUERY, read_spellings
from tasks.sentiment.sql.tables import (
    REJECTED_REVIEWS,
    REVIEW_SENTIMENT,
    SENTIMENT_RUNS,
    SENTIMENT_SOURCES,
    RunRow,
    ScoredRow,
    create_tables,
    describe_mismatch,
)

ROWS_PER_INSERT = 5_000
NEWEST_BY = "run_date"  # the row of which night a review has
PREPARE_LOCK = 20_261_122  # any number, the same in every process

log = logging.getLogger(__name__)

_SCORE_NAMES = [field.name for field in fields(ScoredRow)]


class WarehouseDatabase(Database):
    """A marker file that outlives a power cut must not speak of rows that did not."""

    error, busy = WarehouseError, WarehouseBusy
    synchronous = "FULL"


class Warehouse:
    """The tables `review_sentiment`, `rejected_reviews`, `sentiment_runs` and
    `sentiment_sources` of one database.

    Threads may share one; every process opens its own.
    """

    def __init__(self, url: str) -> None:
        """Read the address; nothing is opened before the first method is called."""
        self._database = WarehouseDatabase(url)
        self._keeps_origins = True

    @property
    def address(self) -> str:
        """The address without its password."""
        return self._database.address

    def prepare(self) -> None:
        """Create tables and columns that are missing; any number of processes may do so at once.

        Where there is no right to create the youngest table, all else goes on without it.

        Raises: WarehouseError: a table is there, but has other columns or another key.
        """
        with self._database.transaction(writes=True) as connection:
            wait_for_turn(connection, PREPARE_LOCK)
            if mismatch := describe_mismatch(connection):
                raise self._database.refuse(f"{mismatch}: rename it, or use another database")
            self._keeps_origins = create_tables(connection, PREPARE_LOCK)
        if not self._keeps_origins:
            log.warning(
                "database %s gives no right to create the table sentiment_sources: two inputs of"
                " one name are not told apart",
                self.address,
            )

    def load_scores(self, rows: Sequence[ScoredRow]) -> int:
        """Insert or update one row per (source, review_id), the last one where a key repeats.

        A row of a later run date stays: a night of the past, run again, is not the newest.

        Returns: the number of different keys.
        Raises: ValueError: a time has no zone.
        """
        records = _in_key_order(rows)
        if not records:
            return 0
        with self._database.transaction(writes=True) as connection:
            if self._database.is_postgres:
                staging = create_staging(connection, REVIEW_SENTIMENT)
                copy(connection, staging, records)
                connection.execute(upsert_from(staging, REVIEW_SENTIMENT, NEWEST_BY))
            else:
                upsert = upsert_into(REVIEW_SENTIMENT, is_postgres=False, newest_by=NEWEST_BY)
                for start in range(0, len(records), ROWS_PER_INSERT):
                    part = records[start : start + ROWS_PER_INSERT]
                    insert_many(connection, upsert, REVIEW_SENTIMENT, part)
        return len(records)

    def find_scores(
        self, source: str, review_ids: Sequence[str], model_digest: str
    ) -> dict[str, ScoredRow]:
        """The current rows of these reviews that the model scored, by review id."""
        table, found = REVIEW_SENTIMENT.c, {}
        one_array = self._database.is_postgres
        size = max(len(review_ids), 1) if one_array else IDS_PER_QUERY
        with self._database.transaction(writes=False) as connection:
            for start in range(0, len(review_ids), size):
                ids = list(review_ids[start : start + size])
                if one_array:
                    array = sa.bindparam("ids", ids, type_=postgresql.ARRAY(sa.Text))
                    among = table.review_id == sa.any_(array)
                else:
                    among = table.review_id.in_(ids)
                query = sa.select(REVIEW_SENTIMENT).where(
                    table.source == source, table.model_digest == model_digest, among
                )
                for values in connection.execute(query):
                    row = ScoredRow(*values)
                    found[row.review_id] = row
        return found

    def check_origin(self, source: str, origin: Origin) -> None:
        """See that no other input has the source's name.

        Raises: SourceError: another input has it.
        """
        if not self._keeps_origins:
            return
        with self._database.transaction(writes=False) as connection:
            refuse_taken_name(source, origin, _origins(connection, source))

    def claim_origin(self, source: str, origin: Origin, run_id: str, now: datetime) -> None:
        """Give the source's name to this input, unless another one has it by now. Of several
        processes that want it at the same time one gets it.

        Raises: SourceError: another input has it.
        """
        if not self._keeps_origins:
            return
        table = SENTIMENT_SOURCES
        with self._database.transaction(writes=True) as connection:
            wait_for_turn(connection, PREPARE_LOCK)
            known = _origins(connection, source)
            refuse_taken_name(source, origin, known)
            if origin.key not in (key for key, _ in known):
                values = (source, origin.key, origin.place, run_id, now)
                row = dict(zip(table.c.keys(), values, strict=True))
                connection.execute(sa.insert(table).values(row))

    def spellings(self, source: str) -> Iterator[tuple[str, str]]:
        """Ids of the source as they are now, each with the way in which its rows spell it.

        Earlier versions wrote whole floats and decimals as they came: 5.0, 5.00. Ids that
        have rows under both spellings are left out.
        """
        with self._database.transaction(writes=False) as connection:
            yield from read_spellings(connection, source)

    def load_rejected(
        self, source: str, run_date: date, run_id: str, rejected: Iterable[Rejected]
    ) -> None:
        """Replace the rejected rows of the source on a run date, in constant memory.

        rejected: is read within the transaction; an exception it raises leaves the rows as
            they were.
        """
        table = REJECTED_REVIEWS
        place = attrgetter("file", "row_number", "review_id", "reason", "excerpt")
        rows = ((source, run_date, *place(row), run_id) for row in rejected)
        with self._database.transaction(writes=True) as connection:
            connection.execute(
                sa.delete(table).where(table.c.source == source, table.c.run_date == run_date)
            )
            if self._database.is_postgres:
                copy(connection, table, rows)
                return
            while part := list(islice(rows, ROWS_PER_INSERT)):
                insert_many(connection, sa.insert(table), table, part)

    def begin_run(self, run: RunRow) -> None:
        """Record a run; one of the same run date that still says `running` was killed.

        Only one live run per run date exists: its caller holds the lock. Recording the
        same run again, as a retry may, changes nothing.

        Raises: WarehouseError: the rows do not add up.
        """
        table = SENTIMENT_RUNS
        with self._database.transaction(writes=True) as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.source == run.source, table.c.run_date == run.run_date)
                .where(table.c.status == "running", table.c.run_id != run.run_id)
                .values(
                    status="failed",
                    ended_at=run.started_at,
                    message=f"killed; taken over by {run.run_id}",
                )
            )
            connection.execute(upsert_into(table, self._database.is_postgres), [asdict(run)])

    def update_run(self, run_id: str, **values: Any) -> None:
        """Set fields of a recorded run.

        Raises: ValueError: no such run. WarehouseError: no such field, or the rows would not add
            up.
        """
        mine = SENTIMENT_RUNS.c.run_id == run_id
        with self._database.transaction(writes=True) as connection:
            update = sa.update(SENTIMENT_RUNS).where(mine).values(**values)
            if not connection.execute(update).rowcount:
                raise ValueError(f"no run {run_id} is recorded")

    def run(self, run_id: str) -> RunRow | None:
        """The run of this id."""
        return next(iter(self._runs(SENTIMENT_RUNS.c.run_id == run_id, limit=1)), None)

    def running(self, source: str) -> list[RunRow]:
        """The source's runs that say so of themselves, killed ones among them."""
        table = SENTIMENT_RUNS.c
        return self._runs(table.source == source, table.status == "running", limit=1000)

    def has_unfinished_run_since(self, run: RunRow) -> bool:
        """Whether a run of the same run date that began later did not finish."""
        table = SENTIMENT_RUNS.c
        same = sa.and_(table.source == run.source, table.run_date == run.run_date)
        later = table.started_at > run.started_at
        return bool(self._runs(same, later, table.status != "finished", limit=1))

    def previous_finished_runs(
        self, source: str, before_started_at: datetime, limit: int
    ) -> list[RunRow]:
        """The finished runs of the source that started before, the newest first."""
        table = SENTIMENT_RUNS.c
        earlier = table.started_at < before_started_at
        return self._runs(table.source == source, table.status == "finished", earlier, limit=limit)

    def close(self) -> None:
        """Close the connections; the next method opens new ones."""
        self._database.close()

    def _runs(self, *conditions: sa.ColumnElement[bool], limit: int) -> list[RunRow]:
        newest_first = (SENTIMENT_RUNS.c.started_at.desc(), SENTIMENT_RUNS.c.run_id)
        query = sa.select(SENTIMENT_RUNS).where(*conditions).order_by(*newest_first).limit(limit)
        with self._database.transaction(writes=False) as connection:
            return [RunRow(**row._mapping) for row in connection.execute(query)]


def _in_key_order(rows: Sequence[ScoredRow]) -> list[Record]:
    """One record per (source, review_id), the last of each, by the order of the keys."""
    if any(row.scored_at.tzinfo is None for row in rows):
        raise ValueError("scored_at has no time zone")
    records: Iterable[Record] = map(attrgetter(*_SCORE_NAMES), rows)
    last = {record[:2]: record for record in records}
    return [last[key] for key in sorted(last)]


def _origins(connection: sa.Connection, source: str) -> list[tuple[str, str]]:
    """Key and place of each origin of the source, the first one first."""
    table = SENTIMENT_SOURCES.c
    query = sa.select(table.origin_digest, table.origin).where(table.source == source)
    return [(key, place) for key, place in connection.execute(query.order_by(table.first_seen_at))]
