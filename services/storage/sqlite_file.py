"""A SQLite database as a file: looked at and copied without a change to it or to what lies beside.

A connection of the usual kind makes files beside a database whose journal is a write-ahead log.
One that makes none takes no locks either, and sees pages of two moments where somebody begins to
write: then it is looked at again.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

Answer = TypeVar("Answer")

MAGIC = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")  # what SQLite puts beside a database
DAMAGED = "damaged"  # a folder beside: what is moved away there is no database any more
MOST_LOOKS = 20
PAUSE_S = 0.25  # before the next look; longer than the ticks of a file's time
BUSY_S = 10
_NOT_NOW = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY")


class WrittenMeanwhile(sqlite3.OperationalError):
    """Each look met somebody who was writing."""


def is_sqlite(file: Path) -> bool:
    """Whether a file begins as a SQLite database does. Raises: OSError: it cannot be read."""
    with file.open("rb") as content:
        return content.read(len(MAGIC)) == MAGIC


def look(file: Path, ask: Callable[[sqlite3.Connection], Answer]) -> Answer:
    """What `ask` finds out by a connection that can only read, of one moment.

    It is called again where somebody has written meanwhile. Where no log lies beside the file,
    nobody is writing, and nothing is made beside it. Where one does, its index (-shm) is there as
    well, and is all that SQLite may touch.

    Raises:
        WrittenMeanwhile: somebody wrote during each look, without a log.
        sqlite3.Error: it is no database, or cannot be opened, or `ask` failed.
        OSError: it is gone, or cannot be read.
    """
    for _ in range(MOST_LOOKS):
        before = _Trace.of(file)
        if not before.has_log and before.is_fresh:
            time.sleep(PAUSE_S)
            before = _Trace.of(file)
        try:
            with _opened(file, has_log=before.has_log) as connection:
                answer = ask(connection)
        except sqlite3.Error:
            if _Trace.of(file) == before:
                raise
        else:
            if before.has_log or _Trace.of(file) == before:
                return answer
        time.sleep(PAUSE_S)
    raise WrittenMeanwhile(f"{file} was being written during each of {MOST_LOOKS} looks")


def is_for_now(error: sqlite3.Error) -> bool:
    """Whether an error tells of who is using the database, and nothing of the file itself.

    Among these is a transaction that was killed, which the next who writes takes back.
    """
    name = getattr(error, "sqlite_errorname", None) or ""
    return isinstance(error, WrittenMeanwhile) or name.startswith(_NOT_NOW)


def copy(file: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever writes to it meanwhile.

    Raises: sqlite3.Error, OSError: it cannot be read, or the copy not be written.
    """

    def write(source: sqlite3.Connection) -> None:
        target.unlink(missing_ok=True)  # what an earlier look has left
        with closing(sqlite3.connect(target)) as new:
            source.backup(new)

    look(file, write)
    target.chmod(file.stat().st_mode & 0o777)


@dataclass(frozen=True)
class _Trace:
    """What a writer changes: the file, and what lies beside it."""

    size: int  # bytes
    written_ns: int
    has_log: bool

    @classmethod
    def of(cls, file: Path) -> Self:
        found = file.stat()
        has_log = any(file.with_name(file.name + end).exists() for end in BESIDE)
        return cls(found.st_size, found.st_mtime_ns, has_log)

    @property
    def is_fresh(self) -> bool:
        """Whether it was written so lately that one more write may leave the same time."""
        return 0 <= time.time_ns() - self.written_ns < PAUSE_S * 1e9


@contextmanager
def _opened(file: Path, *, has_log: bool) -> Iterator[sqlite3.Connection]:
    how = "mode=ro" if has_log else "immutable=1"
    uri = f"file:{quote(str(file.absolute()))}?{how}"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as connection:
        yield connection
