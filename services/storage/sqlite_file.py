"""A SQLite database as a file: looked at and copied without a change to it or to what lies beside.

A connection of the usual kind makes files beside a database whose journal is a write-ahead log.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

MAGIC = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")  # what SQLite puts beside a database


def is_sqlite(file: Path) -> bool:
    """Whether a file begins as a SQLite database does. Raises: OSError: it cannot be read."""
    with file.open("rb") as content:
        return content.read(len(MAGIC)) == MAGIC


@contextmanager
def read_only(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read.

    Where no log lies beside the file, nobody is writing, and nothing is made beside it. Where one
    does, its index (-shm) is there as well, and is all that SQLite may touch.

    Raises: sqlite3.Error: it is no database, or cannot be opened.
    """
    has_log = any(file.with_name(file.name + end).exists() for end in BESIDE)
    how = "mode=ro" if has_log else "immutable=1"
    uri = f"file:{quote(str(file.absolute()))}?{how}"
    with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        yield connection


def copy(file: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes to it meanwhile.

    Raises: sqlite3.Error: it cannot be read, or the copy not be written.
    """
    with read_only(file) as source, closing(sqlite3.connect(target)) as new:
        source.backup(new)
    target.chmod(file.stat().st_mode & 0o777)
