"""Insert or update by key, alike on SQLite and PostgreSQL, and the fast way into each.

A row that is there with the same values is left untouched, so that loading twice writes once.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Record = tuple[Any, ...]  # the values of a row in the order of its table's columns
Upsert = postgresql.Insert | sqlite.Insert


def insert_into(table: sa.Table, is_postgres: bool) -> Upsert:
    """An insertion that can say what happens to rows whose key is there."""
    return postgresql.insert(table) if is_postgres else sqlite.insert(table)


def upsert_into(table: sa.Table, is_postgres: bool, newest_by: str | None = None) -> Upsert:
    """The statement that takes rows by parameters, and updates those whose key is there.

    newest_by: a column; a row that has a higher value there than the one that comes stays.
    """
    return _or_update(insert_into(table, is_postgres), table, newest_by)


def insert_many(
    connection: sa.Connection, insert: sa.Insert, table: sa.Table, records: Sequence[Record]
) -> None:
    """Run an INSERT of all the table's columns once per record (SQLite).

    The values go to the driver by position: naming each of them, as SQLAlchemy would, takes
    longer than SQLite takes to store it.
    """
    dialect = connection.dialect
    stored = []
    for column, values in zip(table.columns, zip(*records, strict=True), strict=True):
        process = column.type.dialect_impl(dialect).bind_processor(dialect)
        stored.append(map(cache(process), values) if process else values)
    statement = str(insert.compile(dialect=dialect))
    connection.exec_driver_sql(statement, list(zip(*stored, strict=True)))


def create_staging(connection: sa.Connection, target: sa.Table) -> sa.Table:
    """An empty table with the target's columns that this transaction alone sees (PostgreSQL)."""
    staging = sa.Table(
        f"incoming_{target.name}",
        sa.MetaData(),
        *(sa.Column(column.name, column.type) for column in target.columns),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    connection.execute(sa.schema.CreateTable(staging))
    return staging


def copy(connection: sa.Connection, table: sa.Table, records: Iterable[Record]) -> None:
    """Stream records into a table through COPY (PostgreSQL).

    Raises: what the iterable raises, and psycopg.Error, which SQLAlchemy does not see here.
    """
    driver = connection.connection.driver_connection
    assert driver is not None
    columns = ", ".join(column.name for column in table.columns)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as rows,
    ):
        for record in records:
            rows.write_row(record)


def upsert_from(staging: sa.Table, target: sa.Table, newest_by: str | None = None) -> Upsert:
    """The statement that takes the rows of a staging table, by the order of the target's keys.

    newest_by: as of `upsert_into`.
    """
    by_key = sa.select(staging).order_by(*(staging.c[key.name] for key in target.primary_key))
    names = [column.name for column in target.columns]
    return _or_update(postgresql.insert(target).from_select(names, by_key), target, newest_by)


def _or_update(insert: Upsert, table: sa.Table, newest_by: str | None) -> Upsert:
    values = [column for column in table.columns if not column.primary_key]
    differs = [column.is_distinct_from(insert.excluded[column.name]) for column in values]
    is_older = [table.c[newest_by] <= insert.excluded[newest_by]] if newest_by else []
    return insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={column.name: insert.excluded[column.name] for column in values},
        where=sa.and_(sa.or_(*differs), *is_older),
    )
