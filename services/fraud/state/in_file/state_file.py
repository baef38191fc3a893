"""The SQLite file of the state, shared by all processes of a machine.

- Reading never waits. Writing is one process at a time, in the order of a file lock that is
  asked every 50 us; SQLite's own waiting sleeps for milliseconds. The lock is the kernel's: it
  falls when its holder dies.
- A killed process loses nothing that was committed: it is in the system's memory. A power cut
  may lose the last moments, and never damages the file (write-ahead log, synchronous=NORMAL).
- No request waits for the disk. With its automatic checkpoints, every 200th transaction would
  take 10 to 80 ms; here a thread moves the log into the file while others go on writing. Only
  if they leave no gap for 128 MB are they held up for that long once.
- Who has it open keeps it: after `rm state.db`, a process goes on with a file that no other one
  finds. `is_current` tells that, for one look at the folder.
- Emptied by hand while processes have it open, it is unavailable, and kills none of them.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from services.fraud.errors import StateUnavailable
from services.fraud.state.in_file import busy_keys, coverage
from services.storage.locks import FileLock

IMPATIENCE = 0.1  # of the patience, after having waited in vain
LONG_PATIENCE_S = 30.0  # where no request waits
ASK_EVERY_S = 50e-6  # for the lock, which is held as long as it takes to write a row
SHORTEN_AFTER = 1_000  # rows written by this process
COUNTS_PER_ROW = 8  # of busy keys, which take as much of the log as a transaction
LOG_MAX_PAGES = 32_768  # of 4 KiB
INDEX_BYTES = 1_048_576  # more than the index of the longest log
INDICES = {
    "customers": "transactions (customer_id, time, cents)",
    "terminals": "transactions (terminal_id, time, is_fraud)",
}
_FIRST = """
CREATE TABLE transactions (
    seq INTEGER PRIMARY KEY,  -- the order of arrival
    transaction_id TEXT NOT NULL UNIQUE,
    customer_id TEXT NOT NULL,
    terminal_id TEXT NOT NULL,
    time INTEGER NOT NULL,  -- s since 1970, UTC
    cents INTEGER NOT NULL,
    is_fraud INTEGER NOT NULL DEFAULT 0,
    answer BLOB  -- NULL: it came from a snapshot
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
""" + "".join(f"CREATE INDEX {name} ON {columns};" for name, columns in INDICES.items())
_LABELLED_AT = """
ALTER TABLE transactions ADD COLUMN labelled_at REAL;  -- NULL: its label is from a snapshot
CREATE TABLE early_labels (  -- of transactions that are not here yet
    transaction_id TEXT PRIMARY KEY,
    is_fraud INTEGER NOT NULL,
    labelled_at REAL NOT NULL  -- s since 1970, UTC
) WITHOUT ROWID;
CREATE TRIGGER labelled_early AFTER INSERT ON transactions
WHEN EXISTS (SELECT 1 FROM early_labels WHERE transaction_id = NEW.transaction_id)
BEGIN
    UPDATE transactions SET is_fraud = early.is_fraud, labelled_at = early.labelled_at
    FROM early_labels AS early
    WHERE seq = NEW.seq AND early.transaction_id = NEW.transaction_id;
    DELETE FROM early_labels WHERE transaction_id = NEW.transaction_id;
END;
"""
_STEPS = (_FIRST, _LABELLED_AT, busy_keys.schema() + coverage.SCHEMA)
VERSION = len(_STEPS)  # of a file: how many of them it has gone
# The last one: no such table. Our statements are fixed, so a wrong one means a file without them.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class WriteBusy(sqlite3.OperationalError):
    """Others have been writing for longer than the patience."""


class StateFile:
    """A connection to the file; transactions on it are for one thread at a time."""

    def __init__(self, path: Path, *, patience_s: float) -> None:
        """Open the file; make it, with its folder, if it does not exist.
        One of an earlier version is brought up to this one, and keeps what it holds.

        Args: patience_s: how long a writer waits for the others before it gives up.

        Raises: StateUnavailable: it is damaged, or cannot be opened.
        """
        self.path = path
        self._patience_s = self._patient_s = patience_s
        self._index = f"{path}-shm"  # SQLite's, of the log
        self._written = 0  # rows, since the log was last shortened
        self._shortening: threading.Thread | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path.with_name(f"{path.name}.lock"))
        except OSError as error:
            raise StateUnavailable(f"state {path} cannot be opened: {error}") from error
        try:
            self.connection = _connect(path, patience_s)
            self._opened = _identity(path)
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise
        except BaseException as error:
            self._lock.close()
            if isinstance(error, sqlite3.Error):
                raise self.explain(error) from error
            raise

    @contextmanager
    def writing(self, rows: int = 1) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed at the end, rolled back on any exception.

        Args: rows: how many it writes, about.

        Raises:
            WriteBusy: the wait was too long; nothing was written.
            sqlite3.Error: nor was it otherwise, as on a full disk.
        """
        connection = self.connection
        before = connection.total_changes
        _mend(self._index)
        self._begin()
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # some errors have rolled back already
                connection.execute("ROLLBACK")
            raise
        finally:
            self._lock.release()
        changed = connection.total_changes - before
        self._written += min(rows, changed) + changed // COUNTS_PER_ROW
        if self._written >= SHORTEN_AFTER:
            self._start_shortening()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around statements that read. Raises: StateUnavailable: they cannot."""
        _mend(self._index)
        try:
            yield
        except sqlite3.Error as error:
            raise self.explain(error) from error

    def is_current(self) -> bool:
        """Whether the file that was opened is the one at its path; for any thread."""
        return self._opened is not None and self._opened == _identity(self.path)

    def check(self) -> None:
        """Raises: StateUnavailable: it was emptied; who opened it now would take it for new."""
        if self.path.exists() and self.path.stat().st_size == 0:
            raise self._damaged("it is empty")

    def explain(self, error: sqlite3.Error | OSError) -> StateUnavailable:
        """What to tell a user of an error that kept from reading."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:  # low byte: primary code
            return self._damaged(str(error))
        return StateUnavailable(f"state {self.path} cannot be used: {error}")

    def shorten_log(self) -> None:
        """Move what the log holds into the file; for any thread.

        The log begins anew once all of it was moved when a writer comes. Where they leave no
        gap for that, they are held back once it is long.
        """
        if not self.is_current():  # what is at the path is the log of another file, or none
            return
        with suppress(sqlite3.Error), closing(_connect(self.path, LONG_PATIENCE_S)) as own:
            if _checkpoint(own) < LOG_MAX_PAGES:
                return
            _checkpoint(own)  # what came meanwhile: little is then left to do under the lock
            with closing(FileLock(self.path.with_name(f"{self.path.name}.lock"))) as lock:
                if lock.acquire(LONG_PATIENCE_S, ASK_EVERY_S):
                    _checkpoint(own)

    def close(self) -> None:
        """Close the connection."""
        if self._shortening:
            self._shortening.join()
        _mend(self._index)
        self.connection.close()
        self._lock.close()

    def _begin(self) -> None:
        try:
            if not self._lock.acquire(self._patience_s, ASK_EVERY_S):
                raise WriteBusy("another process has been writing for too long")
            try:
                self.connection.execute("BEGIN IMMEDIATE")
            except BaseException:
                self._lock.release()
                raise
        except sqlite3.Error as error:
            # Whatever holds it, the next request should not wait as long again.
            self._set_patience(self._patient_s * IMPATIENCE)
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise WriteBusy(str(error)) from error
            raise
        if self._patience_s < self._patient_s:
            self._set_patience(self._patient_s)

    def _set_patience(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self.connection.execute(f"PRAGMA busy_timeout = {round(patience_s * 1_000)}")

    def _start_shortening(self) -> None:
        if self._shortening and self._shortening.is_alive():
            return
        self._written = 0
        self._shortening = threading.Thread(target=self.shorten_log, daemon=True)
        self._shortening.start()

    def _prepare(self) -> None:
        if self._version() == VERSION:
            return
        if not self._lock.acquire(LONG_PATIENCE_S, ASK_EVERY_S):
            raise sqlite3.OperationalError("another process has been making it for too long")
        try:
            version = self._version()
            if version == VERSION:  # made by another process meanwhile
                return
            foreign = self.connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            if not 0 <= version < VERSION or (version == 0 and foreign):
                raise StateUnavailable(
                    f"state {self.path} is of another version: stop the service, remove"
                    f" {self.path.name}* there, and start again"
                )
            self.connection.execute("PRAGMA journal_mode = WAL")  # stays with the file
            self.connection.executescript(
                f"BEGIN IMMEDIATE; {''.join(_STEPS[version:])}"
                f" PRAGMA user_version = {VERSION}; COMMIT;"
            )
        finally:
            self._lock.release()

    def _damaged(self, how: str) -> StateUnavailable:
        return StateUnavailable(
            f"state {self.path} is damaged ({how}): stop the service, remove"
            f" {self.path.name}* there, and start again: it is rebuilt from the snapshot"
        )

    def _version(self) -> int:
        version: int = self.connection.execute("PRAGMA user_version").fetchone()[0]
        return version


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path. Not by opening it: to close it would drop SQLite's locks."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _mend(index: str) -> None:
    """Give an index that was emptied its length back.

    Processes have it mapped, and die of SIGBUS where they touch what the file no longer holds.
    Of one that is all zeros, SQLite sees that it has to be made anew from the log.
    """
    try:
        if os.stat(index).st_size == 0:  # noqa: PTH116 - a Path costs each request 1 us more
            os.truncate(index, INDEX_BYTES)
    except OSError:  # there is none yet, or SQLite will say what is wrong
        pass


def _connect(path: Path, patience_s: float) -> sqlite3.Connection:
    _mend(f"{path}-shm")
    connection = sqlite3.connect(
        path, timeout=patience_s, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _checkpoint(connection: sqlite3.Connection) -> int:
    """Move what can be moved without making others wait; how many pages the log has."""
    pages: int = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    return pages
