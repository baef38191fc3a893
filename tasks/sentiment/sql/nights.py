"""The rows of a source on a run date in SQL, taken out as a whole and put back as they were.

Each change is one transaction, and the row of the run that published the night tells whether it
has happened: `finished` becomes `stopped` with the message TAKEN_BACK, and the other way round.
So a change that is made twice changes nothing the second time.

Errors are those of `Warehouse`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

import sqlalchemy as sa

from services.storage.upsert import (
    Record,
    copy,
    create_staging,
    insert_many,
    upsert_from,
    upsert_into,
)
from tasks.sentiment.sql.tables import (
    REJECTED_REVIEWS,
    REVIEW_SENTIMENT,
    SENTIMENT_RUNS,
    ScoredRow,
)
from tasks.sentiment.sql.warehouse import ROWS_PER_INSERT, Warehouse, WarehouseDatabase

TAKEN_BACK = "taken back by triptych rollback night; its results are kept aside"
SCORE_NAMES = tuple(field.name for field in fields(ScoredRow))
REJECTED_NAMES = tuple(REJECTED_REVIEWS.columns.keys())
Batches = Iterator[Sequence[Record]]


class NightRows:
    """What SQL holds of a source on a run date."""

    def __init__(self, url: str, source: str, run_date: date) -> None:
        self._database = WarehouseDatabase(url)
        self._url = url
        self._source, self._run_date = source, run_date

    def finished_runs(self) -> list[str]:
        """The ids of the night's runs that finished."""
        with self._database.transaction(writes=False) as connection:
            query = sa.select(SENTIMENT_RUNS.c.run_id).where(
                *self._of(SENTIMENT_RUNS), SENTIMENT_RUNS.c.status == "finished"
            )
            return sorted(connection.execute(query).scalars())

    def finished_dates(self) -> list[date]:
        """The run dates of all finished runs of the source, each once."""
        table = SENTIMENT_RUNS.c
        with self._database.transaction(writes=False) as connection:
            query = sa.select(table.run_date).where(
                table.source == self._source, table.status == "finished"
            )
            return sorted(connection.execute(query.distinct()).scalars())

    def run_dates(self) -> dict[str, date]:
        """The run date of each run of the source."""
        table = SENTIMENT_RUNS.c
        with self._database.transaction(writes=False) as connection:
            query = sa.select(table.run_id, table.run_date).where(table.source == self._source)
            return {run.run_id: run.run_date for run in connection.execute(query)}

    def running(self) -> list[date]:
        """The run dates of the source's runs that say they are at work."""
        return [row.run_date for row in Warehouse(self._url).running(self._source)]

    def scores(self) -> Batches:
        """The current rows that were scored on the run date."""
        yield from self._read(REVIEW_SENTIMENT)

    def rejected(self) -> Batches:
        """The rejected rows of the run date."""
        yield from self._read(REJECTED_REVIEWS)

    def take_out(self, runs: Sequence[str], before: Batches) -> None:
        """Take the rows out, and put those of the nights before in their place.

        runs: that published the night; where none of them is finished, this has happened.
        before: rows of REVIEW_SENTIMENT.
        """
        with self._database.transaction(writes=True) as connection:
            if not self._mark(connection, runs, ("finished", ""), ("stopped", TAKEN_BACK)):
                return
            for table in (REVIEW_SENTIMENT, REJECTED_REVIEWS):
                connection.execute(sa.delete(table).where(*self._of(table)))
            self._upsert(connection, before)

    def put_back(self, runs: Sequence[str], scores: Batches, rejected: Batches) -> None:
        """Put the rows back that were taken out; where that has happened, nothing."""
        table = REJECTED_REVIEWS
        with self._database.transaction(writes=True) as connection:
            if not self._mark(connection, runs, ("stopped", TAKEN_BACK), ("finished", "")):
                return
            connection.execute(sa.delete(table).where(*self._of(table)))
            self._upsert(connection, scores)
            for records in rejected:
                if self._database.is_postgres:
                    copy(connection, table, records)
                else:
                    insert_many(connection, sa.insert(table), table, records)

    def _of(self, table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
        return table.c.source == self._source, table.c.run_date == self._run_date

    def _read(self, table: sa.Table) -> Batches:
        query = sa.select(table).where(*self._of(table)).order_by(*table.primary_key)
        with self._database.transaction(writes=False) as connection:
            streaming = connection.execution_options(yield_per=ROWS_PER_INSERT)
            for part in streaming.execute(query).partitions():
                yield [tuple(row) for row in part]

    def _mark(
        self,
        connection: sa.Connection,
        runs: Sequence[str],
        before: tuple[str, str],
        after: tuple[str, str],
    ) -> bool:
        table = SENTIMENT_RUNS.c
        marked = connection.execute(
            sa.update(SENTIMENT_RUNS)
            .where(table.run_id.in_(list(runs)), table.status == before[0])
            .where(table.message == before[1])
            .values(status=after[0], message=after[1])
        )
        return bool(marked.rowcount)

    def _upsert(self, connection: sa.Connection, batches: Batches) -> None:
        table: Any = REVIEW_SENTIMENT
        staging = create_staging(connection, table) if self._database.is_postgres else None
        for records in batches:
            if staging is not None:
                copy(connection, staging, records)
            else:
                insert_many(connection, upsert_into(table, is_postgres=False), table, records)
        if staging is not None:
            connection.execute(upsert_from(staging, table))
