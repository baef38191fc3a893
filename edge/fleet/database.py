"""The fleet's database, SQLite or PostgreSQL: transactions, and errors of one line.

Nothing is opened before it is used; a missing folder of a SQLite file is made.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edge.fleet.errors import DatabaseError
from edge.fleet.tables import ADDED, METADATA

PATIENCE_S = 60.0  # with a locked database
MAX_REASON = 400  # characters
PREPARE_LOCK = 20_261_124  # any number of our own, the same in every process
_KNOWN = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"


class Database:
    """Hands out transactions on the database at an address."""

    def __init__(self, url: str) -> None:
        """Read the address; connect to nothing yet.

        Raises:
            DatabaseError: not an address, another kind of database, or no driver.
        """
        self._url = _read_address(url)
        self.address = self._url.render_as_string(hide_password=True)
        self.is_postgres = self._url.get_backend_name() == "postgresql"
        open_engine = _open_postgres if self.is_postgres else _open_sqlite
        try:
            self._engine = open_engine(self._url)
        except ModuleNotFoundError as error:
            raise DatabaseError(
                f"database {self.address}: no driver {error.name}: pip install 'triptych[postgres]'"
            ) from error
        self._errors = (sa.exc.SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error, OSError)

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        """A connection in a transaction, committed at the end, rolled back on any exception.

        Raises:
            DatabaseError: the database refused.
        """
        try:
            if not self.is_postgres:
                Path(self._url.database or "").parent.mkdir(parents=True, exist_ok=True)
            with (
                self._engine.connect() as connection,
                connection.execution_options(writes=writes).begin(),
            ):
                yield connection
        except self._errors as error:
            raise DatabaseError(self._explain(error)) from error

    def prepare(self) -> None:
        """Create missing tables and columns; any number of processes may do so at once.

        Raises:
            DatabaseError: the database refused.
        """
        with self.transaction(writes=True) as connection:
            if self.is_postgres:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PREPARE_LOCK)))
            METADATA.create_all(connection)
            for column in ADDED:
                names = {
                    found["name"] for found in sa.inspect(connection).get_columns(column.table.name)
                }
                if column.name not in names:
                    kind = column.type.compile(connection.dialect)
                    connection.exec_driver_sql(
                        f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}"
                    )

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """An insertion that can say what happens to rows that are there already."""
        return postgresql.insert(table) if self.is_postgres else sqlite.insert(table)

    def close(self) -> None:
        """Close the connections that are kept for the next transaction."""
        self._engine.dispose()

    def _explain(self, error: Exception) -> str:
        cause = getattr(error, "orig", None) or error
        reason = " ".join(str(cause).split())[:MAX_REASON]
        if self._url.password:
            reason = reason.replace(str(self._url.password), "***")
        return f"database {self.address}: {reason}"


def _read_address(url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The cause is not chained: it may show the whole address.
        raise DatabaseError(f"the database address is not of the form {_KNOWN}") from None
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername in ("sqlite", "sqlite+pysqlite"):
        if address.database in (None, "", ":memory:"):
            raise DatabaseError(f"a database in memory is lost at once: use {_KNOWN}")
    elif address.drivername != "postgresql+psycopg":
        raise DatabaseError(f"databases of kind {address.drivername} are not known: use {_KNOWN}")
    return address


def _open_postgres(url: sa.URL) -> sa.Engine:
    return sa.create_engine(
        url,
        connect_args={
            "prepare_threshold": None,  # poolers like PgBouncer lose prepared statements
            "connect_timeout": 10,
            "tcp_user_timeout": round(PATIENCE_S * 1000),
            "options": f"-c lock_timeout={round(PATIENCE_S * 1000)}",
        },
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _open_sqlite(url: sa.URL) -> sa.Engine:
    # No pool: opening a file is cheap, and a connection may be used by any thread.
    engine = sa.create_engine(
        url, connect_args={"timeout": PATIENCE_S}, poolclass=sa.NullPool, hide_parameters=True
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # or the driver begins transactions of its own
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # Another process is just setting it: then it is set.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
                raise

    @sa.event.listens_for(engine, "begin")
    def begin_now(connection: sa.Connection) -> None:
        # Who is going to write takes the lock at once, or it may be refused half-way.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
