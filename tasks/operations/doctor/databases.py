"""The databases: SQLite files of the home, a PostgreSQL of results, and Prefect's own."""

import os
import shlex
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from edge.fleet import tables as fleet
from services.fraud.log import tables as fraud
from services.storage import sqlite_file
from services.storage.database import Database
from services.storage.errors import StorageError
from tasks.operations.doctor.check import Check, absent, fault, ok
from tasks.operations.elsewhere import (
    FOLDER,
    FRAUD_URL,
    PREFECT,
    PREFECT_URL,
    WAREHOUSE,
    WAREHOUSE_URL,
)
from tasks.sentiment.sql import tables as sentiment
from tasks.settings import Settings

QUICK_ABOVE = 1 << 30  # bytes; a whole check would take minutes
AGAIN_S = 0.5  # before a file that seems damaged is looked at once more
_TABLES = tuple(
    table
    for metadata in (sentiment.METADATA, fraud.METADATA, fleet.METADATA)
    for table in metadata.sorted_tables
)
_OUR_DRIVERS = {"postgresql+asyncpg": "postgresql+psycopg", "sqlite+aiosqlite": "sqlite"}


class NotNow(Exception):
    """A database cannot be looked at while others are using it; the message says how."""


@dataclass(frozen=True)
class Known:
    """What a database of a home holds, and what to do where it is lost."""

    holds: str
    cure: str


_ASIDE = "mkdir -p {aside} && mv {file}* {aside}/"  # with its log
_RESTORE = "bring it back from a back-up: {restore}"
_KNOWN = {
    "triptych.db": Known(
        "results can be neither read nor written: nights, answers, audits and devices",
        f"end what runs, then {_ASIDE}, and {_RESTORE}; or save what can be read:"
        " sqlite3 {aside}/{base} .recover | sqlite3 {file}",
    ),
    "prefect/prefect.db": Known(
        "no flow starts; what is lost is the history of runs, and no result",
        f"end the stack, then {_ASIDE}: the next start makes a new one (or {_RESTORE})",
    ),
    "fraud/state.db": Known(
        "the service answers as degraded: it has no history of cards and terminals",
        f"end the service, then {_ASIDE}: it is built again from the snapshot and the log",
    ),
}
_MEANING = "results can be neither read nor written"
_NO_FRAUD = (
    "fraud services that share it answer with the model that they have, and new models reach none"
)
_UNKNOWN = Known("what it holds cannot be read", f"end what runs, then {_ASIDE}, and {_RESTORE}")


def check_databases(settings: Settings) -> Iterator[Check]:
    """Every SQLite file of the home, and what addresses lead to."""
    for file in _database_files(settings.home):
        yield check_file(file, settings.home)
    url = settings.warehouse_url
    if settings.database_url is not None:
        yield check_server(url, WAREHOUSE_URL, settings.home)
    if settings.fraud_state_url is not None:
        url, lost = settings.fraud_state_url.get_secret_value(), _NO_FRAUD
        yield check_server(url, FRAUD_URL, settings.home, of_ours=False, meaning=lost)
    if address := os.environ.get(PREFECT_URL):
        yield check_server(_with_our_driver(address), PREFECT_URL, settings.home, of_ours=False)


def _with_our_driver(address: str) -> str:
    """The same database by drivers of ours: Prefect's are for its event loop."""
    try:
        url = sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):
        return address  # whoever opens it tells of it
    query = {
        "sslmode" if name == "ssl" else name: value
        for name, value in url.query.items()
        if not name.startswith("prepared_statement_")
    }
    driver = _OUR_DRIVERS.get(url.drivername, url.drivername)
    return url.set(drivername=driver, query=query).render_as_string(hide_password=False)


def _database_files(home: Path) -> list[Path]:
    """Those that a home has, whatever is in them, and others that begin as one does."""
    known = {home / name for name in _KNOWN}
    others = {
        file
        for file in home.rglob("*.db")
        if sqlite_file.DAMAGED not in file.relative_to(home).parts
        and file.is_file()
        and _is_sqlite(file)
    }
    return sorted(file for file in known | others if file.is_file())


def _is_sqlite(file: Path) -> bool:
    try:
        return sqlite_file.is_sqlite(file)
    except OSError:
        return False


def check_file(file: Path, home: Path) -> Check:
    """Whether SQLite finds a file whole. Takes about a second for a gigabyte."""
    place = file.relative_to(home).as_posix()
    try:
        wrong = _wrong(file)
    except NotNow as reason:
        return absent("database", f"{place}: not looked at: {reason}")
    if wrong is None:
        return ok("database", f"{place}: {file.stat().st_size / 1e6:,.1f} MB, whole")
    return _fault_of(file, wrong, _KNOWN.get(place, _UNKNOWN), _restoring(file, home))


def _fault_of(file: Path, wrong: str, known: Known, restore: str) -> Check:
    """restore: what brings the file back from a back-up, to be typed."""
    quoted = [shlex.quote(str(each)) for each in (file, _place_aside(file), file.name)]
    words = dict(zip(("file", "aside", "base"), quoted, strict=True))
    cure = known.cure.format(**words, restore=restore)
    return fault("database", f"{file} {wrong}", known.holds, cure)


def _place_aside(file: Path) -> Path:
    """A folder that is not there yet: with the log of another damage, a file is another one."""
    places = (file.parent / sqlite_file.DAMAGED / f"{file.name}-{number}" for number in count(1))
    return next(place for place in places if not os.path.lexists(place))


def _restoring(file: Path, home: Path, kept_as: str = "") -> str:
    """What to type, so that a file lies again where it was.

    kept_as: its path in a back-up, if it lies outside the home.
    """
    target, folder = shlex.quote(str(file)), shlex.quote(str(home))
    if file.is_relative_to(home):
        return f"tar -xpf BACKUP.tar -C {folder} {shlex.quote(str(file.relative_to(home)))}"
    return f"mkdir NEW && tar -xpf BACKUP.tar -C NEW {kept_as} && mv NEW/{kept_as} {target}"


def _wrong(file: Path) -> str | None:
    """What is wrong with a SQLite file, seen twice: the first time somebody may have written.

    Raises: NotNow: others are using it.
    """
    first = _look_at(file)
    if first is None:
        return None
    time.sleep(AGAIN_S)
    return _look_at(file)


def _look_at(file: Path) -> str | None:
    try:
        if not file.stat().st_size:
            return "is empty: whatever was in it is gone"
        if not sqlite_file.is_sqlite(file):
            return "is no SQLite database"
        check = "quick_check" if file.stat().st_size > QUICK_ABOVE else "integrity_check"
        found = sqlite_file.look(file, lambda connection: _answers(connection, check))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except sqlite3.Error as error:
        if sqlite_file.is_for_now(error):
            raise NotNow(str(error)) from error
        return f"is damaged: {error}"
    return None if found == ["ok"] else f"is damaged: {' '.join(found[0].split())}"


def _answers(connection: sqlite3.Connection, check: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(f"PRAGMA {check}(3)")]


def check_server(
    url: str, variable: str, home: Path, *, of_ours: bool = True, meaning: str = _MEANING
) -> Check:
    """Whether a database answers, and its tables are those that we write.

    of_ours: it holds our results. meaning: what it means that it cannot be used.
    """
    try:
        database = Database(url, patience_s=5)
    except StorageError as error:
        return fault("database", str(error), meaning, f"correct {variable}")
    file = sa.make_url(url).database if not database.is_postgres else None
    if file is not None:  # it is looked at as a file, for a connection would change it
        path = Path(file).resolve()
        try:
            if path.is_file() and (wrong := _wrong(path)):
                known = _KNOWN["triptych.db" if of_ours else "prefect/prefect.db"]
                kept_as = f"{FOLDER}/{WAREHOUSE if of_ours else PREFECT}"
                return _fault_of(path, wrong, known, _restoring(path, home.resolve(), kept_as))
        except NotNow as reason:
            return absent("database", f"{variable}: {path}: not looked at: {reason}")
        return ok("database", f"{variable}: {path}, {'whole' if path.is_file() else 'not there'}")
    try:
        with database.transaction(writes=False) as connection:
            others = _other_tables(connection) if of_ours else []
    except StorageError as error:
        cure = f"start the database, or correct {variable}; then triptych doctor"
        return fault("database", str(error), meaning, cure)
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
