"""The database of answers, SQLite or PostgreSQL: its address, its transactions and its errors.

- Nothing is opened before it is used; a missing folder of a SQLite file is made.
- A writing transaction on SQLite takes the lock at its start, so that it never fails half-way
  because another one wrote first.
- Every error of the database is a LogError of one line, which names the address without its
  password.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.fraud.errors import LogError
from services.fraud.log.tables import METADATA

MAX_REASON = 400  # characters
PREPARE_LOCK = 20_261_123  # any number, the same in every process
_KNOWN = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"


class Database:
    """Hands out connections and transactions on the database at an address."""

    def __init__(self, url: str, *, patience_s: float = 60.0) -> None:
        """Read the address; connect to nothing yet.

        Args:
            patience_s: how long a locked database, a silent server or a statement is waited for.

        Raises:
            LogError: not an address, another kind of database, or no driver.
        """
        self._url = _read_address(url)
        self.address = _without_password(self._url)
        self.is_postgres = self._url.get_backend_name() == "postgresql"
        open_engine = _postgres_engine if self.is_postgres else _sqlite_engine
        try:
            self._engine = open_engine(self._url, patience_s)
        except ModuleNotFoundError as error:
            raise LogError(
                f"database {self.address}: no driver {error.name}: pip install 'triptych[postgres]'"
            ) from error
        self.errors: tuple[type[Exception], ...] = (
            sa.exc.SQLAlchemyError,
            self._engine.dialect.loaded_dbapi.Error,
            OSError,  # the folder cannot be made
        )

    def connect(self) -> sa.Connection:
        """A connection of its own, to be closed by the caller.

        Raises: what `errors` lists.
        """
        if not self.is_postgres:
            Path(self._url.database or "").parent.mkdir(parents=True, exist_ok=True)
        return self._engine.connect()

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        """A connection in a transaction, committed at the end, rolled back on any exception.

        Raises:
            LogError: the database refused.
        """
        try:
            with self.connect() as connection, begin(connection, writes=writes):
                yield connection
        except self.errors as error:
            raise LogError(self.explain(error)) from error

    def prepare(self) -> None:
        """Create the tables that are missing; any number of processes may do so at once.

        Raises:
            LogError: the database refused.
        """
        with self.transaction(writes=True) as connection:
            create_tables(connection)

    def explain(self, error: Exception) -> str:
        """What an error says, in one line that names the database."""
        cause = getattr(error, "orig", None) or error
        reason = " ".join(str(cause).split())[:MAX_REASON]
        if self._url.password:
            reason = reason.replace(str(self._url.password), "***")
        return f"database {self.address}: {reason}"

    def close(self) -> None:
        """Close the connections that are kept for the next transaction."""
        self._engine.dispose()


def begin(connection: sa.Connection, *, writes: bool) -> sa.RootTransaction:
    """A transaction on the connection; one that writes has SQLite's lock from its start."""
    return connection.execution_options(writes=writes).begin()


def create_tables(connection: sa.Connection) -> None:
    """Create the tables that are missing, in a writing transaction: one process at a time."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PREPARE_LOCK)))
    METADATA.create_all(connection)


def _read_address(url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The cause is not chained: it may show the whole address.
        raise LogError(f"the database address is not of the form {_KNOWN}") from None
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername in ("sqlite", "sqlite+pysqlite"):
        if address.database in (None, "", ":memory:"):
            raise LogError(f"a database in memory is lost at once: use {_KNOWN}")
    elif address.drivername != "postgresql+psycopg":
        raise LogError(f"database {_without_password(address)}: use {_KNOWN}")
    return address


def _without_password(url: sa.URL) -> str:
    query = {k: "***" if "password" in k.lower() else v for k, v in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def _postgres_engine(url: sa.URL, patience_s: float) -> sa.Engine:
    patience_ms = round(patience_s * 1000)
    options: dict[str, Any] = {
        "prepare_threshold": None,  # poolers like PgBouncer lose prepared statements
        "connect_timeout": max(2, min(10, round(patience_s))),
        # A server that went away without a word is noticed by the kernel, not in two hours.
        "tcp_user_timeout": patience_ms,
        "options": f"-c lock_timeout={patience_ms}",
    }
    # What the address itself says goes first.
    given = {name: value for name, value in options.items() if name not in url.query}
    return sa.create_engine(url, connect_args=given, pool_pre_ping=True, hide_parameters=True)


def _sqlite_engine(url: sa.URL, patience_s: float) -> sa.Engine:
    # No pool: opening a file is cheap, and a connection may be used by any thread.
    engine = sa.create_engine(
        url,
        connect_args={"timeout": patience_s},
        poolclass=sa.NullPool,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # or the driver begins transactions of its own
        # Where another process is just setting the mode, SQLite refuses without waiting; the
        # mode stays with the file, and the first transaction finds it set.
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BUSY:
                raise
        # A killed process loses nothing; after a power cut the last commits may be missing,
        # and the file is whole.
        connection.execute("PRAGMA synchronous=NORMAL")

    @sa.event.listens_for(engine, "begin")
    def begin_now(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
