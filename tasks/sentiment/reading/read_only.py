"""Connections on which a database refuses to write: a source is only read.

    SQLite       the file is opened read-only; an authorizer refuses what leads out of it (ATTACH,
                 VACUUM INTO, extensions), and says what a statement would have done
    PostgreSQL   a READ ONLY transaction around a cursor, which takes one statement that only reads
    MySQL        a session whose transactions are READ ONLY

Any other kind of database is refused by its name. What a function does beyond its database
(`dblink`, `lo_export`) only rights can prevent: give the source a user that may only read.
"""

import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import NullPool

from tasks.sentiment.errors import SourceError

_WRITES = {
    sqlite3.SQLITE_INSERT: "insert into",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DELETE: "delete from",
    sqlite3.SQLITE_ATTACH: "attach or write",
    sqlite3.SQLITE_DETACH: "detach",
}
_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "writefile", "edit"})
_HALF_WRITTEN = ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY")
_INTO_FILE = re.compile(r"\binto\s+(?:outfile|dumpfile)\b", re.IGNORECASE)


def open_read_only(address: sa.URL, query: str) -> sa.Connection:
    """A connection that cannot write to the database at `address`.

    Raises: SourceError: no such database, or a kind that cannot be opened so.
        sqlalchemy.exc.SQLAlchemyError, ImportError: as its driver says.
    """
    kind = address.get_backend_name()
    if kind == "sqlite":
        return _open_sqlite(address)
    if kind == "postgresql":
        # Whatever driver was named: this one sends a query with a cursor as a single statement.
        address = address.set(drivername="postgresql+psycopg")
        connection = sa.create_engine(address, poolclass=NullPool).connect()
        return connection.execution_options(postgresql_readonly=True)
    if kind in ("mysql", "mariadb"):
        return _open_mysql(address, query)
    raise SourceError(
        f"a query is only run where the database can be kept from writing, and for {kind} no way"
        " is known here: export the rows to a Parquet or CSV file"
    )


def _open_sqlite(address: sa.URL) -> sa.Connection:
    if address.get_driver_name() != "pysqlite":
        raise SourceError(f"{address.drivername} cannot be opened read-only: use sqlite:///FILE")
    file = address.database or ":memory:"
    if file != ":memory:" and not file.startswith("file:") and not Path(file).exists():
        raise SourceError(f"there is no database {file} to run the query on")
    engine = sa.create_engine(address, poolclass=NullPool)

    @sa.event.listens_for(engine, "do_connect")
    def open_file_read_only(
        _dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]
    ) -> None:
        arguments[0] = _read_only_address(str(arguments[0]))
        options["uri"] = True

    connection = engine.connect()
    driver = connection.connection.driver_connection
    assert driver is not None
    # A text that is not UTF-8 shall fail alone.
    driver.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    driver.set_authorizer(_authorizer(connection.info))
    return connection


def explain(connection: sa.Connection, error: sa.exc.DBAPIError) -> str | None:
    """Why the query was refused, where it is because the connection only reads."""
    if would := connection.info.get("refused"):
        return f"a source is only read: the query would {would}"
    if getattr(error.orig, "sqlite_errorname", "") in _HALF_WRITTEN:
        return (
            "the database was left in the middle of a write: open it once with the program that"
            " writes it, which puts it right"
        )
    return None


def _authorizer(info: dict[Any, Any]) -> Any:
    def authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
        what = None
        if action == sqlite3.SQLITE_FUNCTION:
            what = f"call {second}" if str(second).lower() in _FUNCTIONS else None
        elif action in _WRITES and not str(first).startswith(("sqlite_master", "sqlite_temp")):
            what = f"{_WRITES[action]} {first}"  # a table-valued function "updates" sqlite_master
        if what is None:
            return sqlite3.SQLITE_OK
        info["refused"] = what
        return sqlite3.SQLITE_DENY

    return authorize


def _read_only_address(name: str) -> str:
    """A file's name, or the URI that already stands for it, with the mode `ro`."""
    if name == ":memory:":
        return "file::memory:"
    if not name.startswith("file:"):
        return f"file:{quote(name)}?mode=ro"
    path, _, options = name.partition("?")
    return f"{path}?{urlencode({**dict(parse_qsl(options)), 'mode': 'ro'})}"


def _open_mysql(address: sa.URL, query: str) -> sa.Connection:
    if _INTO_FILE.search(query):
        raise SourceError("a source is only read: the query would write INTO a file")
    engine = sa.create_engine(address, poolclass=NullPool)

    @sa.event.listens_for(engine, "connect")
    def read_only(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.close()

    return engine.connect()
