"""The log of answers: written to SQL off the request path, in batches, by a thread.

- Adding a row costs well under a microsecond; it never waits, and never fails.
- A row is written once, however often it is tried or added: its id is its key.
- What the database does not take, since it is locked, full or away, waits and is tried again.
  Beyond `capacity` the oldest rows go to a file, and from there into the database when it is
  back, by this process or by the next one. Only what no file takes either is dropped.
- All is counted: `written`, `waiting`, `spilled`, `dropped`, `failures`; what is counted as
  failed or dropped has been told before.
- A process that is killed loses the rows of its last `every_s`; `close` loses none.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from services.fraud.log.database import Database, create_tables
from services.fraud.log.log_rows import (
    BATCHES,
    KINDS,
    LABELS,
    PREDICTIONS,
    Kind,
    Row,
    latest_labels,
)
from services.fraud.log.spill import SpillFile, orphans, read_lines
from services.fraud.log.tables import Batch, Label, Prediction
from services.storage.database import begin

ROWS_PER_TRANSACTION = 5_000
LONGEST_PAUSE_S = 5.0  # between two attempts
PATIENCE_S = 2.0  # with a locked database

logger = logging.getLogger(__name__)


class PredictionLog:
    """Takes rows from one event loop; a thread of its own writes them."""

    def __init__(
        self, url: str, spill: Path, every_s: float = 0.5, capacity: int = 100_000
    ) -> None:
        """Start the thread. Nothing is waited for: the database may be away.

        Args:
            url: of a SQLite file or a PostgreSQL database.
            spill: folder for the rows that the database does not take.
            every_s: how often is written.
            capacity: rows that may wait in memory, of all kinds together.

        Raises:
            LogError: not an address, another kind of database, or no driver.
        """
        self.written = self.spilled = self.failures = 0
        self._lost = self._refused = 0  # two, since each belongs to one thread
        self._every_s, self._capacity = every_s, capacity
        self._most = 2 * capacity  # where the thread itself hangs
        self._database = Database(url, patience_s=PATIENCE_S)
        self._spill = SpillFile(spill)
        self._rows: dict[Kind, deque[Row]] = {k: deque() for k in (LABELS, PREDICTIONS, BATCHES)}
        self._predictions = self._rows[PREDICTIONS]
        self._taken: tuple[Kind, list[Row]] | None = None  # in the thread's hands
        self._prepared = False
        self._spilled_waits = True  # perhaps, from processes before
        self._stop, self._left = threading.Event(), threading.Event()
        self._deadline = 0.0
        self._fault: str | None = None  # as it was told last
        self._thread = threading.Thread(target=self._run, name="fraud-log", daemon=True)
        self._thread.start()

    def add(self, row: Prediction | Row) -> None:
        """Log an answer: a `Prediction`, or a plain tuple of the same values."""
        if len(self._predictions) < self._most:
            self._predictions.append(row)
        else:
            self._refused += 1

    def add_labels(self, rows: Iterable[Label | Row]) -> None:
        """Log what transactions have turned out to be; the latest label of each counts."""
        self._extend(LABELS, list(rows))

    def add_batch(self, row: Batch | Row) -> None:
        """Log the summary of a batch."""
        self._extend(BATCHES, [row])

    @property
    def waiting(self) -> int:
        """Rows in memory that are neither in the database nor in a file."""
        taken = self._taken
        return sum(map(len, self._rows.values())) + (len(taken[1]) if taken else 0)

    @property
    def dropped(self) -> int:
        """Rows that are lost: no room anywhere, or a value that no database takes."""
        return self._lost + self._refused

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what is waiting; what is left after `timeout_s` goes to a file.

        Rows that are added from now on are lost.
        """
        self._deadline = time.monotonic() + timeout_s
        self._stop.set()
        self._thread.join(timeout_s)
        self._left.set()  # a thread that still hangs puts nothing back
        taken, self._taken = self._taken, None
        if taken is not None:
            self._rows[taken[0]].extendleft(reversed(taken[1]))
        self._spill_oldest(self.waiting)
        self._spill.release()
        self._database.close()

    def _extend(self, kind: Kind, rows: list[Row]) -> None:
        room = max(0, self._most - len(self._rows[kind]))
        self._rows[kind].extend(rows[:room])
        self._refused += len(rows[room:])

    def _run(self) -> None:
        pause_s = self._every_s
        while not self._stop.wait(pause_s):
            if self._attempt():
                pause_s = self._every_s
            else:
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._spill_oldest(self.waiting - self._capacity)
        while self.waiting and time.monotonic() < self._deadline and not self._attempt():
            time.sleep(0.05)

    def _attempt(self) -> bool:
        """Write all that waits; whether the database took it."""
        if not self.waiting and not self._spilled_waits:
            return True
        try:
            with self._database.connect() as connection:
                if not self._prepared:
                    with begin(connection, writes=True):
                        create_tables(connection)
                    self._prepared = True
                self._write_waiting(connection)
                if self._spilled_waits and not self._stop.is_set():
                    self._load_spilled(connection)
        except Exception as error:  # nothing may end the thread
            self._put_back()
            self._prepared = False  # the file may have been taken away
            fault = " ".join(str(error).split()) or type(error).__name__
            if fault != self._fault:
                logger.warning("the log waits: %s", fault)
            self._fault = fault
            self.failures += 1  # last: whoever sees the count finds the reason in the log
            return False
        self._fault = None
        return True

    def _write_waiting(self, connection: sa.Connection) -> None:
        for kind, waiting in self._rows.items():
            while waiting and not self._left.is_set():
                rows: list[Row] = []
                self._taken = (kind, rows)  # first, so that no row is ever out of sight
                rows += (waiting.popleft() for _ in range(_at_most(waiting)))
                self._write(connection, kind, rows)
                self._taken = None

    def _put_back(self) -> None:
        taken = self._taken
        if taken is not None and not self._left.is_set():
            self._rows[taken[0]].extendleft(reversed(taken[1]))
            self._taken = None

    def _write(self, connection: sa.Connection, kind: Kind, rows: Sequence[Row]) -> None:
        """Write rows in a transaction; those that no database would take are told apart."""
        try:
            unique = latest_labels(rows) if kind is LABELS else rows
            with begin(connection, writes=True):
                kind.insert(connection, unique)
            self.written += len(rows)
        except Exception as error:
            if not _blames_row(error):
                raise
            if len(rows) == 1:
                # The type alone: the message may show values.
                logger.warning("a row of %s was dropped: %s", kind.table.name, type(error).__name__)
                self._lost += 1
                return
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                self._write(connection, kind, half)

    def _spill_oldest(self, count: int) -> None:
        """Move the oldest rows from memory to the file."""
        for kind, waiting in self._rows.items():
            while count > 0 and waiting:
                size = min(count, _at_most(waiting))
                rows = [waiting.popleft() for _ in range(size)]
                count -= size
                try:
                    self._spill.append(_as_object(kind, row) for row in rows)
                except (OSError, ValueError, TypeError) as error:
                    logger.error("%d rows of the log are lost: %s", size, error)
                    self._lost += size
                else:
                    self.spilled += size
                    self._spilled_waits = True

    def _load_spilled(self, connection: sa.Connection) -> None:
        """Write the rows of all files that nobody holds any more, and delete these."""
        self._spill.release()
        for path, file in orphans(self._spill.folder):
            lines = read_lines(file)
            while part := list(islice(lines, ROWS_PER_TRANSACTION)):
                rows = [_as_row(line) for line in part]
                self._lost += rows.count(None)
                for kind in KINDS.values():
                    if of_kind := [row for row in rows if row is not None and row[0] is kind]:
                        self._write(connection, kind, [row for _, row in of_kind])
            path.unlink()
            logger.info("the rows of %s are in the database", path)
        self._spilled_waits = False


def _at_most(waiting: deque[Row]) -> int:
    return min(len(waiting), ROWS_PER_TRANSACTION)


def _blames_row(error: Exception) -> bool:
    """Whether a value is at fault and not the database, so that it would fail for ever."""
    if isinstance(error, sa.exc.ProgrammingError):  # of PostgreSQL, if it has a state
        return getattr(error.orig, "sqlstate", None) is None
    values = (UnicodeError, OverflowError, TypeError, ValueError, IndexError)
    return isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError, *values))


def _as_object(kind: Kind, row: Row) -> dict[str, Any]:
    named = dict(zip(kind.fields, row, strict=True))
    if kind is PREDICTIONS and named["features"] is not None:
        named["features"] = [float(value) for value in named["features"]]
    return {"table": kind.table.name, **named}


def _as_row(line: dict[str, Any] | None) -> tuple[Kind, Row] | None:
    """The row that a line holds; None if it holds none."""
    kind = KINDS.get(str(line.get("table"))) if line else None
    if line is None or kind is None or not set(kind.fields) <= line.keys():
        return None
    return kind, tuple(line[name] for name in kind.fields)
