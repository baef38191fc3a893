"""The process beside a worker that writes the log into SQL, so that it never holds up an answer.

Inside the worker, a thread that writes would share Python's lock with the event loop: measured on
two cores at 5,000 answers a second, one in a hundred waited for more than 7 ms then, and for 1.3
to 3.8 ms beside this process.

- An empty line on standard input asks for the files that nobody holds; any other line holds rows
  that the disk did not take. The end of the input is the sign to load what is left, and to end.
- After each line it writes its counters to standard output; what is counted as failed or dropped
  has been logged before.
- It holds no rows of its own: a file is deleted when the database has all of it.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson
import sqlalchemy as sa

from services.fraud.log.database import Database, create_tables
from services.fraud.log.rows import LABELS, Kind, Row, latest_labels
from services.fraud.log.spill import orphans, read_line
from services.storage.database import begin

ROWS_PER_TRANSACTION = 5_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0  # after an attempt that failed
PATIENCE_S = 2.0  # with a locked database
LAST_S = 5.0  # for the database to take what is left when the worker has ended
logger = logging.getLogger(__name__)


class Loader:
    """Writes rows into the database.

    Attributes:
        written: rows that the database has taken.
        dropped: rows that no database takes, and lines that hold none.
        failures: attempts that failed.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """Raises: LogError: not an address, another kind of database, or no driver."""
        self.written = self.dropped = self.failures = 0
        self._database, self._folder = Database(url, patience_s=PATIENCE_S), folder
        self._prepared = False
        self._fault: str | None = None  # as it was logged last

    def load(self) -> bool:
        """Write the rows of all files that no process holds, and delete these.

        Returns whether the database took them.
        """
        for path, file in orphans(self._folder):
            if not self.take(file):
                return False
            path.unlink()
        return True

    def take(self, lines: Iterable[bytes]) -> bool:
        """Write the rows of some lines; whether the database took all of them."""
        written = dropped = 0
        try:
            with self._database.connect() as connection:
                if not self._prepared:
                    with begin(connection, writes=True):
                        create_tables(connection)
                    self._prepared = True
                for kind, rows in _parts(lines):
                    lost = self._write(connection, kind, rows) if kind else len(rows)
                    written, dropped = written + len(rows) - lost, dropped + lost
        except Exception as error:  # nothing may end the process
            self._prepared = False  # the file may have been taken away
            fault = " ".join(str(error).split()) or type(error).__name__
            if fault != self._fault:
                logger.warning("the log waits: %s", fault)
            self._fault = fault
            self.failures += 1
            return False
        self._fault = None
        self.written, self.dropped = self.written + written, self.dropped + dropped
        return True

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _write(self, connection: sa.Connection, kind: Kind, rows: Sequence[Row]) -> int:
        """Write rows in a transaction; how many no database would take, which are told apart."""
        try:
            unique = latest_labels(rows) if kind is LABELS else rows
            with begin(connection, writes=True):
                kind.insert(connection, unique)
            return 0
        except Exception as error:
            if not _blames_row(error):
                raise
            if len(rows) == 1:
                # The type alone: the message may show values.
                logger.warning("a row of %s was dropped: %s", kind.table.name, type(error).__name__)
                return 1
            half = len(rows) // 2
            return sum(self._write(connection, kind, part) for part in (rows[:half], rows[half:]))


def _parts(lines: Iterable[bytes]) -> Iterator[tuple[Kind | None, list[Row]]]:
    """The rows of lines by their kind, some thousands at once."""
    waiting: dict[Kind | None, list[Row]] = {}
    for line in lines:
        kind, rows = read_line(line)
        of_kind = waiting.setdefault(kind, [])
        of_kind += rows
        if len(of_kind) >= ROWS_PER_TRANSACTION:
            yield kind, waiting.pop(kind)
    yield from waiting.items()


def _blames_row(error: Exception) -> bool:
    """Whether a value is at fault and not the database, so that it would fail for ever."""
    if isinstance(error, sa.exc.ProgrammingError):  # of PostgreSQL, if it has a state
        return getattr(error.orig, "sqlstate", None) is None
    values = (UnicodeError, OverflowError, TypeError, ValueError, IndexError)
    return isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError, *values))


def main() -> None:
    """Take lines from standard input until it ends; the first says which database and folder."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # the end of the input is the sign
    logging.basicConfig(format="%(asctime)s [%(levelname)s] [log] %(message)s")
    greeting = orjson.loads(sys.stdin.buffer.readline())
    loader = Loader(greeting["url"], Path(greeting["folder"]))
    _report(loader)
    pause_s, again_at = FIRST_PAUSE_S, 0.0
    for line in sys.stdin.buffer:
        if line != b"\n":
            loader.take([line])
        elif time.monotonic() >= again_at:
            if loader.load():
                pause_s = FIRST_PAUSE_S
            else:
                again_at = time.monotonic() + pause_s
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        _report(loader)
    deadline = time.monotonic() + greeting["last_s"]
    time.sleep(0.05)  # a worker that was killed lets go of its file a moment after the pipe
    while not loader.load() and time.monotonic() < deadline:
        time.sleep(0.05)
    loader.close()
    _report(loader)


def _report(loader: Loader) -> None:
    counters = {name: getattr(loader, name) for name in ("written", "dropped", "failures")}
    with contextlib.suppress(OSError):  # the worker was killed
        os.write(sys.stdout.fileno(), orjson.dumps(counters) + b"\n")


if __name__ == "__main__":
    main()
