"""One database, SQLite or PostgreSQL: its address, its transactions and its errors.

- Nothing is opened before the first transaction; a missing folder of a SQLite file is made.
- A transaction is committed as a whole or leaves nothing.
- A writing transaction on SQLite takes the lock at its start and waits its turn for it, so
  that it never fails half-way because another one wrote first.
- Every error of the database is a WarehouseError of one line, which names the address without
  its password; WarehouseBusy where trying again may help.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tasks.sentiment.errors import WarehouseBusy, WarehouseError

CONNECT_TIMEOUT_S = 10
MAX_REASON = 400  # characters

_KNOWN = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_BUSY_SQLITE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BUSY_STATES = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "53300",  # too many connections
    "55P03",  # lock not available
    "57P01",  # shut down by the administrator
    "57P02",  # another server process crashed
    "57P03",  # starting up
}
_BUSY_WORDS = (  # libpq gives no state for a connection that was never made
    "connection refused",
    "is the server running",  # its socket is not there
    "connection reset",
    "timeout expired",
    "starting up",
    "shutting down",
    "too many clients",
    "closed the connection",
    "connection is lost",
)


class Database:
    """Hands out transactions on the database at an address."""

    def __init__(self, url: str, *, lock_timeout_s: float = 60.0) -> None:
        """Read the address; connect to nothing yet.

        Raises: WarehouseError: not an address, another kind of database, or no driver.
        """
        self._url = _read_address(url)
        self.address = _without_password(self._url)
        self.is_postgres = self._url.get_backend_name() == "postgresql"
        try:
            if self.is_postgres:
                self._engine = _postgres_engine(self._url)
            else:
                self._engine = _sqlite_engine(self._url, lock_timeout_s)
        except ModuleNotFoundError as error:
            raise WarehouseError(
                f"database {self.address}: no driver {error.name}: pip install 'triptych[postgres]'"
            ) from error
        self._errors = (sa.exc.SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        """A connection in a transaction, committed at the end, rolled back on any exception.

        Raises: WarehouseError: the database refused; WarehouseBusy: it may not, later.
        """
        try:
            self._make_folder()
            with self._engine.execution_options(writes=writes).begin() as connection:
                yield connection
        except self._errors as error:
            raise self._explain(error) from error

    def close(self) -> None:
        """Close the connections that are kept for the next transaction."""
        self._engine.dispose()

    def refuse(self, reason: str) -> WarehouseError:
        """The error of this database for `reason`."""
        return WarehouseError(f"database {self.address}: {reason}")

    def _make_folder(self) -> None:
        if self.is_postgres:
            return
        folder = Path(self._url.database or "").parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.refuse(f"cannot make the folder {folder}: {error.strerror}") from error

    def _explain(self, error: Exception) -> WarehouseError:
        cause = getattr(error, "orig", None) or error
        reason = " ".join(str(cause).split())[:MAX_REASON]
        if self._url.password:
            reason = reason.replace(str(self._url.password), "***")
        busy = _is_busy(error) or _is_busy(cause)
        return (WarehouseBusy if busy else WarehouseError)(f"database {self.address}: {reason}")


def _read_address(url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The cause is not chained: it may show the whole address.
        raise WarehouseError(f"the database address is not of the form {_KNOWN}") from None
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername in ("sqlite", "sqlite+pysqlite"):
        if address.database in (None, "", ":memory:"):
            raise WarehouseError(f"a database in memory is lost at once: use {_KNOWN}")
    elif address.drivername != "postgresql+psycopg":
        raise WarehouseError(f"database {_without_password(address)}: use {_KNOWN}")
    return address


def _without_password(url: sa.URL) -> str:
    query = {k: "***" if "password" in k.lower() else v for k, v in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def _postgres_engine(url: sa.URL) -> sa.Engine:
    options: dict[str, Any] = {"prepare_threshold": None}  # poolers like PgBouncer lose them
    if "connect_timeout" not in url.query:
        options["connect_timeout"] = CONNECT_TIMEOUT_S
    return sa.create_engine(url, connect_args=options, pool_pre_ping=True, hide_parameters=True)


def _sqlite_engine(url: sa.URL, lock_timeout_s: float) -> sa.Engine:
    # No pool: opening a file is cheap, and a connection must not outlive a fork.
    engine = sa.create_engine(
        url,
        connect_args={"timeout": lock_timeout_s},
        poolclass=sa.NullPool,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # or the driver begins transactions of its own
        # Readers and the writer do not wait for each other. The mode stays with the file.
        # Where another process is just setting it, SQLite refuses without waiting, and the
        # first transaction finds it set.
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
        # A marker file that outlives a power cut must not speak of rows that did not.
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _is_busy(error: BaseException) -> bool:
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)  # the low byte is the primary code
        return code & 0xFF in _BUSY_SQLITE
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return state in _BUSY_STATES or state.startswith("08")
    words = str(error).lower()
    return any(word in words for word in _BUSY_WORDS)
