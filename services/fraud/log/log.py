"""The log of answers: appended to a file by a thread, written to SQL by a process beside.

- Adding a row puts it into memory: it never waits, and never fails.
- A row is written once, however often it is tried or added: its id is its key.
- What the database does not take, since it is locked, full or away, stays in files, and gets in
  when it is back, by the process of this worker or of any other. Rows that the disk does not take
  wait in memory, and go straight to the database; beyond `CAPACITY` they are dropped.
- All is counted: `written`, `waiting`, `spilled`, `dropped`, `failures`.
- A worker that is killed loses the rows of its last `EVERY_S`; `close` loses none, nor does the
  end of the process that writes. Rows that a state on the same database has written together with
  their answers never come here, and are only counted.
"""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from services.fraud.log.database import Database
from services.fraud.log.loader import LAST_S
from services.fraud.log.rows import BATCHES, LABELS, PREDICTIONS, Kind, Row
from services.fraud.log.spill import SpillFile, as_line

EVERY_S = 0.05
ROWS_AT_ONCE = 50  # prepared holding Python's lock, in a tenth of a millisecond
CAPACITY = 200_000  # rows that wait in memory, should the disk take none
RELEASE_EVERY_S = 0.5  # a file is left to the process
FILE_BYTES = 16 * 2**20  # of a file, while the process has not taken the one before
PATIENCE_S = 20  # with the process, on a machine that is busy
RESTART_S = 1.0  # between two tries to start the process
logger = logging.getLogger(__name__)


@dataclass
class _Released:
    """A file that was left to the process.

    failures: that the process had counted by then.
    """

    path: Path
    rows: int
    failures: int
    is_refused: bool = False


class AnswerLog:
    """Takes rows from any thread."""

    def __init__(self, url: str, spill: Path, last_s: float = LAST_S) -> None:
        """Start the process; the database is not waited for.

        spill: folder for the files. last_s: for the database to take what is left at the end.

        Raises: LogError: the address is none, or of another kind of database.
        """
        Database(url, patience_s=1).close()  # here an error has somebody to tell
        self._last_s = last_s
        greeting = {"url": url, "folder": str(spill), "last_s": last_s}
        self._greeting = orjson.dumps(greeting) + b"\n"
        self._rows: deque[tuple[Kind, Row]] = deque()
        self._file, self._file_rows = SpillFile(spill), 0
        self._released: list[_Released] = []
        self._files_lock = threading.Lock()  # of the three above
        self._counted = {"written": 0, "dropped": 0, "failures": 0}  # by the processes
        self._spilled = self._lost = self._refused = 0  # two, since each belongs to one thread
        self._beside = 0  # rows that others have written
        self._fault: str | None = None  # of the disk, as it was logged last
        self._release_at = 0.0
        self._stop, self._is_idle = threading.Event(), threading.Event()
        self._process, self._listener = self._start()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def add(self, row: Row) -> None:
        """Log an answer: the values of a `Prediction`, as a plain tuple."""
        self._put(PREDICTIONS, row)

    def count_written(self) -> None:
        """Count an answer whose row somebody else has written to the database."""
        self._beside += 1

    def add_labels(self, rows: Iterable[Row]) -> None:
        """Log what transactions have turned out to be: the values of a `Label` each."""
        for row in rows:
            self._put(LABELS, row)

    def add_batch(self, row: Row) -> None:
        """Log the summary of a batch: the values of a `Batch`."""
        self._put(BATCHES, row)

    def _put(self, kind: Kind, row: Row) -> None:
        if len(self._rows) < CAPACITY:
            self._rows.append((kind, row))
        else:
            self._refused += 1

    def await_start(self, timeout_s: float = 30.0) -> bool:
        """Wait until the process takes rows; whether it does."""
        return self._is_idle.wait(timeout_s)

    def counted(self) -> dict[str, int]:
        """Rows by what has become of them.

        `waiting`: neither in the database nor dropped. `spilled`: in a file that the database did
        not take when it was asked first. `failures` are attempts, not rows.
        """
        with self._files_lock:
            waiting = len(self._rows) + self._file_rows + self._look_at_files()
        counted = {**self._counted, "waiting": waiting, "spilled": self._spilled}
        counted["written"] += self._beside
        counted["dropped"] += self._lost + self._refused
        return counted

    def close(self) -> None:
        """Leave all rows to the process, and wait until it has written what the database takes."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():  # the process hangs, and the disk is full
            self._process.kill()
            self._thread.join()
        if self._rows:
            logger.error("%d rows of the log are lost", len(self._rows))
            self._lost += len(self._rows)
            self._rows.clear()
        self._release()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self._last_s + PATIENCE_S)
            self._listener.join()

    def _run(self) -> None:
        pause_s = EVERY_S
        while not self._stop.wait(pause_s):
            pause_s = EVERY_S if self._hand_over() and self._ask_to_load() else RESTART_S
        self._hand_over()

    def _hand_over(self) -> bool:
        """Put all rows that wait into the file; False if neither it nor the process takes them."""
        while self._rows:
            part = list(islice(self._rows, ROWS_AT_ONCE))  # they stay until they are elsewhere
            lines, lost = _as_lines(part)
            try:
                with self._files_lock:
                    self._file.append(b"".join(lines))
                    self._file_rows += len(part) - lost
                    self._forget(part)
                self._fault = None
            except OSError as error:
                if str(error) != self._fault:
                    logger.error("the log's folder takes no rows: %s", error)
                self._fault = str(error)
                if not all(map(self._write_now, lines)):
                    return self._is_running()
                self._forget(part)
            self._lost += lost
        return True

    def _forget(self, part: list[tuple[Kind, Row]]) -> None:
        for _ in part:
            self._rows.popleft()

    def _ask_to_load(self) -> bool:
        """Have the process load what waits in files, if it is time; False if there is none."""
        if not self._is_running():
            return False
        if self._is_idle.is_set() and time.monotonic() >= self._release_at:
            self._release_at = time.monotonic() + RELEASE_EVERY_S
            with self._files_lock:
                is_behind = bool(self._look_at_files())
            if not is_behind:  # else one file grows, instead of thousands coming about
                self._release()
            self._send(b"\n")
        elif self._file.size > FILE_BYTES:
            self._release()
        return True

    def _release(self) -> None:
        with self._files_lock:
            path = self._file.release()
            if self._file_rows:
                failures = self._counted["failures"]
                self._released.append(_Released(path, self._file_rows, failures))
            self._file_rows = 0

    def _look_at_files(self) -> int:
        """How many rows the files hold that were left to the process and are still there."""
        self._released = [file for file in self._released if file.path.exists()]
        for file in self._released:
            if not file.is_refused and self._counted["failures"] > file.failures:
                file.is_refused = True
                self._spilled += file.rows
        return sum(file.rows for file in self._released)

    def _write_now(self, line: bytes) -> bool:
        """Have the process write a line that the disk does not take; whether it did."""
        if not self._is_idle.wait(PATIENCE_S):
            return False
        failures = self._counted["failures"]
        return (
            self._send(line)
            and self._is_idle.wait(PATIENCE_S)
            and self._counted["failures"] == failures
        )

    def _send(self, line: bytes) -> bool:
        """Hand a line to the process, which is idle; whether it takes one."""
        self._is_idle.clear()
        assert self._process.stdin is not None
        left = memoryview(line)
        try:
            while left:
                left = left[self._process.stdin.write(left) :]
        except OSError:
            return False
        return True

    def _is_running(self) -> bool:
        """Whether the process runs; if it does not, another one is started."""
        if self._process.poll() is None:
            return True
        self._listener.join()
        logger.error("the log's process has ended; another one is started")
        with contextlib.suppress(OSError):
            self._process, self._listener = self._start()
        return False

    def _start(self) -> "tuple[subprocess.Popen[bytes], threading.Thread]":
        self._is_idle.clear()
        process = subprocess.Popen(
            [sys.executable, "-m", "services.fraud.log.loader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the worker, which closes the pipe
        )
        listener = threading.Thread(
            target=self._listen, args=(process, self._counted), name="log-counters", daemon=True
        )
        listener.start()
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(self._greeting)
        return process, listener

    def _listen(self, process: "subprocess.Popen[bytes]", before: dict[str, int]) -> None:
        """Keep the counters of a process, on top of those of the ones before it."""
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                told = orjson.loads(line)
                self._counted = {name: before[name] + told[name] for name in before}
                self._is_idle.set()
        if not self._stop.is_set():  # what it was doing has failed
            self._counted = {**self._counted, "failures": self._counted["failures"] + 1}
            self._is_idle.set()


def _as_lines(part: Iterable[tuple[Kind, Row]]) -> tuple[list[bytes], int]:
    """Rows as lines, and how many are none in JSON, which no database would take either."""
    by_kind: dict[Kind, list[Any]] = {}
    for kind, row in part:
        by_kind.setdefault(kind, []).append(row)
    lines, lost = [], 0
    for kind, rows in by_kind.items():
        try:
            lines.append(as_line(kind, rows))
        except TypeError:
            for row in rows:
                try:
                    lines.append(as_line(kind, [row]))
                except TypeError as error:
                    logger.warning("a row of the log was dropped: %s", type(error).__name__)
                    lost += 1
    return lines, lost
