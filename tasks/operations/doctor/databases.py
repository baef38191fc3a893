"""The databases: SQLite files of the home, a PostgreSQL of results, and Prefect's own."""

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from edge.fleet import tables as fleet
from services.fraud.log import tables as fraud
from services.storage import sqlite_file
from services.storage.database import Database
from services.storage.errors import StorageError
from tasks.operations.doctor.check import Check, fault, ok
from tasks.sentiment.sql import tables as sentiment
from tasks.settings import Settings

QUICK_ABOVE = 1 << 30  # bytes; a whole check would take minutes
_TABLES = tuple(
    table
    for metadata in (sentiment.METADATA, fraud.METADATA, fleet.METADATA)
    for table in metadata.sorted_tables
)
_PREFECT_URL = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


@dataclass(frozen=True)
class Known:
    """What a database of a home holds, and what to do where it is lost."""

    holds: str
    cure: str


_RESTORE = "bring it back from a back-up: tar -xpf BACKUP.tar -C {home} {name}"
_KNOWN = {
    "triptych.db": Known(
        "results can be neither read nor written: nights, answers, audits and devices",
        f"end what runs, move it away, and {_RESTORE}; or save what can be read:"
        " sqlite3 {file} .recover | sqlite3 {file}.new",
    ),
    "prefect/prefect.db": Known(
        "no flow starts; what is lost is the history of runs, and no result",
        "end the stack, then rm {file}*: the next start makes a new one (or " + _RESTORE + ")",
    ),
    "fraud/state.db": Known(
        "the service answers as degraded: it has no history of cards and terminals",
        "end the service, then rm {file}*: it is built again from the snapshot and the log",
    ),
}
_UNKNOWN = Known("what it holds cannot be read", _RESTORE)


def check_databases(settings: Settings) -> Iterator[Check]:
    """Every SQLite file of the home, and what addresses lead to."""
    for file in _database_files(settings.home):
        yield check_file(file, settings.home)
    url = settings.warehouse_url
    if settings.database_url is not None:
        yield check_server(url, "TRIPTYCH_DATABASE_URL")
    if address := os.environ.get(_PREFECT_URL):
        yield check_server(address.replace("+asyncpg", "+psycopg"), _PREFECT_URL, of_ours=False)


def _database_files(home: Path) -> list[Path]:
    """Those that a home has, whatever is in them, and others that begin as one does."""
    known = {home / name for name in _KNOWN}
    others = {file for file in home.rglob("*.db") if file.is_file() and _is_sqlite(file)}
    return sorted(file for file in known | others if file.is_file())


def _is_sqlite(file: Path) -> bool:
    try:
        return sqlite_file.is_sqlite(file)
    except OSError:
        return False


def check_file(file: Path, home: Path) -> Check:
    """Whether SQLite finds a file whole. Takes about a second for a gigabyte."""
    place = file.relative_to(home).as_posix()
    wrong = _wrong(file)
    if wrong is None:
        return ok("database", f"{place}: {file.stat().st_size / 1e6:,.1f} MB, whole")
    known = _KNOWN.get(place, _UNKNOWN)
    cure = known.cure.format(file=file, home=home, name=place)
    return fault("database", f"{file} {wrong}", known.holds, cure)


def _wrong(file: Path) -> str | None:
    """What is wrong with a SQLite file."""
    try:
        if not file.stat().st_size:
            return "is empty: whatever was in it is gone"
        if not sqlite_file.is_sqlite(file):
            return "is no SQLite database"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    check = "quick_check" if file.stat().st_size > QUICK_ABOVE else "integrity_check"
    try:
        with sqlite_file.read_only(file) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(3)")]
    except sqlite3.Error as error:
        return f"is damaged: {error}"
    return None if found == ["ok"] else f"is damaged: {' '.join(found[0].split())}"


def check_server(url: str, variable: str, *, of_ours: bool = True) -> Check:
    """Whether a database answers, and its tables are those that we write.

    of_ours: it holds our results.
    """
    try:
        database = Database(url, patience_s=5)
    except StorageError as error:
        return fault("database", str(error), _MEANING, f"correct {variable}")
    file = sa.make_url(url).database if not database.is_postgres else None
    if file is not None:  # it is looked at as a file, for a connection would change it
        path = Path(file)
        if path.is_file() and (wrong := _wrong(path)):
            known = _KNOWN["triptych.db"]
            cure = known.cure.format(file=path, home=path.parent, name=path.name)
            return fault("database", f"{path} {wrong}", known.holds, cure)
        return ok("database", f"{variable}: {path}, {'whole' if path.is_file() else 'not there'}")
    try:
        with database.transaction(writes=False) as connection:
            others = _other_tables(connection) if of_ours else []
    except StorageError as error:
        cure = f"start the database, or correct {variable}; then triptych doctor"
        return fault("database", str(error), _MEANING, cure)
    finally:
        database.close()
    if others:
        return fault(
            "database",
            f"{database.address}: {'; '.join(others)}",
            "tables of another program lie where ours should: runs fail",
            f"let {variable} name a database of its own",
        )
    return ok("database", f"{database.address} answers")


_MEANING = "results can be neither read nor written"


def _other_tables(connection: sa.Connection) -> list[str]:
    """Tables of our names with a key that is not ours; other columns come by themselves."""
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names())
    found = []
    for table in _TABLES:
        if table.name in names:
            columns = {column["name"] for column in inspector.get_columns(table.name)}
            if lacking := [key.name for key in table.primary_key if key.name not in columns]:
                found.append(f"{table.name} has no column {', '.join(lacking)}")
    return found
