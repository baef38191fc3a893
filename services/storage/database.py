"""One database, SQLite or PostgreSQL: its address, its transactions and its errors.

- Nothing is opened before it is used; a missing folder of a SQLite file is made.
- A transaction is committed as a whole or leaves nothing.
- A writing transaction on SQLite takes the lock at its start and waits its turn for it, so
  that it never fails half-way because another one wrote first.
- Every error of the database is one line, which names the address without its password; that it
  is busy, so that trying again may help, is told from all else.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import sqlalchemy as sa

from services.storage.errors import StorageBusy, StorageError
from services.storage.hanging import cut_hanging

PATIENCE_S = 60.0
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
_BUSY_WORDS = (  # libpq gives no state for a connection that was never made, or is lost
    "connection refused",
    "is the server running",  # its socket is not there
    "connection reset",
    "timeout expired",
    "timed out",
    "starting up",
    "shutting down",
    "too many clients",
    "closed the connection",
    "connection is lost",
    "connection is closed",
    "no route to host",
    "network is unreachable",
    "temporary failure in name resolution",
)


class Database:
    """Hands out connections and transactions on the database at an address.

    A panel's own subclass says which errors are raised.

    Attributes:
        error: the type of every error of the database.
        busy: the subtype where trying again may help.
        synchronous: what SQLite brings to the disk. FULL: every commit outlasts a power cut.
            NORMAL: the last commits may be lost in one, and the file stays whole.
    """

    error: ClassVar[type[StorageError]] = StorageError
    busy: ClassVar[type[StorageError]] = StorageBusy
    synchronous: ClassVar[Literal["FULL", "NORMAL"]] = "FULL"

    def __init__(
        self,
        url: str,
        *,
        patience_s: float = PATIENCE_S,
        keeps_open: bool = True,
        hangs_after_s: float | None = None,
    ) -> None:
        """Read the address; connect to nothing yet.

        Args:
            patience_s: how long a lock, or a silent server, is waited for. What the address
                itself says goes first.
            keeps_open: whether a connection to PostgreSQL waits for the next transaction, until
                `close`.
            hangs_after_s: how long a transaction on PostgreSQL may take before its connection is
                cut, as the server hangs; None: for ever.

        Raises: StorageError: not an address, another kind of database, or no driver.
        """
        self._url = self._read_address(url)
        self.address = _without_password(self._url)
        self.is_postgres = self._url.get_backend_name() == "postgresql"
        try:
            if self.is_postgres:
                pings = keeps_open and hangs_after_s is None
                self._engine = _postgres_engine(self._url, patience_s, keeps_open, pings)
                if hangs_after_s is not None:
                    cut_hanging(self._engine, hangs_after_s)
            else:
                self._engine = _sqlite_engine(self._url, patience_s, self.synchronous)
        except ModuleNotFoundError as error:
            raise self.refuse(
                f"no driver {error.name}: pip install 'triptych[postgres]'"
            ) from error
        self._errors = (sa.exc.SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A connection, for the transactions that `begin` begins on it.

        Raises: StorageError: the database refused; `busy`: it may not, later.
        """
        try:
            self._make_folder()
            with self._engine.connect() as connection:
                yield connection
        except self._errors as error:
            raise self._explain(error) from error

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        """A connection in a transaction, committed at the end, rolled back on any exception.

        Raises: StorageError: the database refused; `busy`: it may not, later.
        """
        with self.connect() as connection, begin(connection, writes=writes):
            yield connection

    def close(self) -> None:
        """Close the connections that are kept for the next transaction."""
        self._engine.dispose()

    def refuse(self, reason: str) -> StorageError:
        """The error of this database for `reason`."""
        return self.error(f"database {self.address}: {reason}")

    def _read_address(self, url: str) -> sa.URL:
        try:
            address = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            # The cause is not chained: it may show the whole address.
            raise self.error(f"the database address is not of the form {_KNOWN}") from None
        if "@" in (address.host or ""):  # what stands before it is the rest of a password
            raise self.error("write each @ in the password of the database address as %40")
        if address.drivername in ("postgresql", "postgres"):
            address = address.set(drivername="postgresql+psycopg")
        if address.drivername in ("sqlite", "sqlite+pysqlite"):
            if address.database in (None, "", ":memory:"):
                raise self.error(f"a database in memory is lost at once: use {_KNOWN}")
        elif address.drivername != "postgresql+psycopg":
            raise self.error(f"database {_without_password(address)}: use {_KNOWN}")
        return address

    def _make_folder(self) -> None:
        if self.is_postgres:
            return
        folder = Path(self._url.database or "").parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.refuse(f"cannot make the folder {folder}: {error.strerror}") from error

    def _explain(self, error: Exception) -> StorageError:
        cause = getattr(error, "orig", None) or error
        reason = " ".join(str(cause).split())[:MAX_REASON]
        if self._url.password:
            reason = reason.replace(str(self._url.password), "***")
        kind = self.busy if is_busy(error) else self.error
        return kind(f"database {self.address}: {reason}")


class PostgresDatabase(Database):
    """One for which SQLite will not do.

    Attributes:
        form: what the address is to be; told where it is none of a PostgreSQL.
    """

    form: ClassVar[str]

    def _read_address(self, url: str) -> sa.URL:
        try:
            address = super()._read_address(url)
        except StorageError:  # it tells of other databases
            raise self.error(self.form) from None
        if address.get_backend_name() != "postgresql":
            raise self.error(self.form)
        return address


def begin(connection: sa.Connection, *, writes: bool) -> sa.RootTransaction:
    """A transaction on the connection; one that writes has SQLite's lock from its start."""
    return connection.execution_options(writes=writes).begin()


def wait_for_turn(connection: sa.Connection, number: int) -> None:
    """Let one process at a time go on until its writing transaction ends.

    number: the same in all of them, and in no others. On SQLite a writing transaction is alone
        anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def create_missing(connection: sa.Connection, metadata: sa.MetaData, number: int) -> None:
    """Create missing tables, and columns that an earlier version's tables lack; its rows stay.

    connection: in a writing transaction. number: see `wait_for_turn`. A column that comes later is
        null in the rows of before.
    """
    wait_for_turn(connection, number)
    metadata.create_all(connection)
    for table in metadata.sorted_tables:
        names = {found["name"] for found in sa.inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in names:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(
                    f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                )


def is_busy(error: BaseException) -> bool:
    """Whether the same may succeed later, as the database is locked, overloaded or away.

    error: of SQLAlchemy, or of a driver.
    """
    if isinstance(error, sa.exc.TimeoutError):  # no connection of the pool is free
        return True
    if isinstance(error, sa.exc.DBAPIError):
        return error.connection_invalidated or (error.orig is not None and is_busy(error.orig))
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)  # the low byte is the primary code
        return code & 0xFF in _BUSY_SQLITE
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return state in _BUSY_STATES or state.startswith("08")
    words = str(error).lower()
    return any(word in words for word in _BUSY_WORDS)


def _without_password(url: sa.URL) -> str:
    query = {k: "***" if "password" in k.lower() else v for k, v in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def _postgres_engine(url: sa.URL, patience_s: float, keeps_open: bool, pings: bool) -> sa.Engine:
    patience_ms = round(patience_s * 1000)
    options: dict[str, Any] = {
        "prepare_threshold": None,  # poolers like PgBouncer lose prepared statements
        "connect_timeout": max(2, min(10, round(patience_s))),
        # A server that went away without a word is noticed by the kernel, not in two hours.
        "tcp_user_timeout": patience_ms,
        "options": f"-c lock_timeout={patience_ms}",
    }
    given = {name: value for name, value in options.items() if name not in url.query}
    pool: dict[str, Any] = {} if keeps_open else {"poolclass": sa.NullPool}
    return sa.create_engine(
        url, connect_args=given, hide_parameters=True, pool_pre_ping=pings, **pool
    )


def _sqlite_engine(url: sa.URL, patience_s: float, synchronous: str) -> sa.Engine:
    # No pool: opening a file is cheap, and a connection must not outlive a fork.
    engine = sa.create_engine(
        url,
        connect_args={} if "timeout" in url.query else {"timeout": patience_s},
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
            if not is_busy(error):
                raise
        connection.execute(f"PRAGMA synchronous={synchronous}")

    @sa.event.listens_for(engine, "begin")
    def begin_now(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
