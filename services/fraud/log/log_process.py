"""The log of answers in a process of its own, so that writing it never holds up an answer.

Inside the worker, the thread of `PredictionLog` would share Python's lock with the event loop:
measured on two cores at 5,000 answers a second, one in a hundred waited for more than 7 ms then,
and for 1.3 to 3.8 ms now. Rows go to the process through a pipe, as JSON, within `EVERY_S`. It
ends when the pipe does, having written what it got, also when the worker was killed.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from services.fraud.log.database import Database
from services.fraud.log.log import PredictionLog

EVERY_S = 0.05
ROWS_AT_ONCE = 50  # prepared holding Python's lock, in a tenth of a millisecond
CAPACITY = 200_000  # rows that wait here, should the process hang
REPORT_EVERY_S = 0.5
PATIENCE_S = 20  # with the process itself, on a machine that is busy
RESTART_S = 1.0  # between two tries to start the process
COUNTERS = ("written", "waiting", "spilled", "dropped", "failures")
PREDICTIONS, LABELS, BATCHES = "predictions", "labels", "batches"
logger = logging.getLogger(__name__)

Row = tuple[Any, ...]


class LogProcess:
    """Takes rows from any thread, and hands them to a `PredictionLog` in another process."""

    def __init__(self, url: str, spill: Path) -> None:
        """Start the process; the database is not waited for.

        Raises: LogError: the address is none, or of another kind of database.
        """
        Database(url, patience_s=1).close()  # here an error has somebody to tell
        self._greeting = orjson.dumps({"url": url, "spill": str(spill)})
        self._counted = dict.fromkeys(COUNTERS, 0)
        self._handed = self._refused = 0
        self._rows: deque[tuple[str, Row]] = deque()
        self._stop, self._runs = threading.Event(), threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def add(self, row: Row) -> None:
        """Log an answer: the values of a `Prediction`, as a plain tuple."""
        self._put(PREDICTIONS, row)

    def add_labels(self, rows: Iterable[Row]) -> None:
        """Log what transactions have turned out to be: the values of a `Label` each."""
        for row in rows:
            self._put(LABELS, tuple(row))

    def add_batch(self, row: Row) -> None:
        """Log the summary of a batch: the values of a `Batch`."""
        self._put(BATCHES, tuple(row))

    def _put(self, kind: str, row: Row) -> None:
        if len(self._rows) < CAPACITY:
            self._rows.append((kind, row))
        else:
            self._refused += 1

    def await_start(self, timeout_s: float = 30.0) -> bool:
        """Wait until the process takes rows; whether it does."""
        return self._runs.wait(timeout_s)

    def counted(self) -> dict[str, int]:
        """How many rows are `written`, `waiting`, `spilled` and `dropped`; and `failures`."""
        counted = dict(self._counted)
        counted["waiting"] += len(self._rows)
        counted["dropped"] += self._refused
        return counted

    def close(self, timeout_s: float = 5.0) -> None:
        """Hand over what is left, and wait for the process to have written or spilled it."""
        self._stop.set()
        self._thread.join(timeout_s + PATIENCE_S)
        if self._thread.is_alive():  # the process hangs, and has not taken what it was given
            self._process.kill()
            self._thread.join()
        if self._rows:
            logger.error("%d rows of the log are lost", len(self._rows))
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s + PATIENCE_S)

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "services.fraud.log.log_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the worker, which closes the pipe
        )
        threading.Thread(
            target=self._listen, args=(process, self._counted), name="log-counters", daemon=True
        ).start()
        self._send(process, self._greeting)
        return process

    def _listen(self, process: "subprocess.Popen[bytes]", before: dict[str, int]) -> None:
        """Keep the counters of a process, on top of those of the ones before it."""
        assert process.stdout is not None
        with os.fdopen(os.dup(process.stdout.fileno()), "rb") as lines:
            for line in lines:
                self._runs.set()
                told = orjson.loads(line)
                counted = {name: before[name] + told[name] for name in COUNTERS}
                self._counted = {**counted, "waiting": told["waiting"]}

    def _run(self) -> None:
        pause_s = EVERY_S
        while not self._stop.wait(pause_s):
            pause_s = EVERY_S if self._hand_over() or self._replace() else RESTART_S
        self._hand_over()

    def _hand_over(self) -> bool:
        """Hand over all rows that wait; False if the process takes none any more."""
        while self._rows:
            kind = self._rows[0][0]
            part: list[Row] = []
            while self._rows and self._rows[0][0] == kind and len(part) < ROWS_AT_ONCE:
                part.append(self._rows.popleft()[1])
            try:
                self._send(self._process, orjson.dumps([kind, part]))
            except OSError:
                self._rows.extendleft((kind, row) for row in reversed(part))
                return False
            self._handed += len(part)
        return True

    def _replace(self) -> bool:
        """Start another process; what the one before had in hand counts as dropped."""
        self._process.wait()
        time.sleep(REPORT_EVERY_S)  # its last report may be on its way
        known = self._counted
        missing = self._handed - known["written"] - known["spilled"] - known["dropped"]
        logger.error("the log's process has ended; up to %d rows are lost", max(0, missing))
        self._counted = {**known, "waiting": 0, "dropped": known["dropped"] + max(0, missing)}
        try:
            self._process = self._start()
        except OSError:
            return False
        return True

    @staticmethod
    def _send(process: "subprocess.Popen[bytes]", message: bytes) -> None:
        assert process.stdin is not None
        left = memoryview(message + b"\n")
        while left:
            left = left[process.stdin.write(left) :]


def main() -> None:
    """Take rows from standard input until it ends."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # the end of the pipe is the sign
    logging.basicConfig(format="%(asctime)s [%(levelname)s] [log] %(message)s")
    greeting = orjson.loads(sys.stdin.buffer.readline())
    log = PredictionLog(greeting["url"], Path(greeting["spill"]))
    stop = threading.Event()
    reporter = threading.Thread(target=_report, args=(log, stop), daemon=True)
    reporter.start()
    for line in sys.stdin.buffer:
        if not line.endswith(b"\n"):
            break  # the worker was killed in the middle of it
        kind, rows = orjson.loads(line)
        if kind == PREDICTIONS:
            for row in rows:
                log.add(tuple(row))
        elif kind == LABELS:
            log.add_labels([tuple(row) for row in rows])
        else:
            for row in rows:
                log.add_batch(tuple(row))
    log.close()
    stop.set()


def _report(log: PredictionLog, stop: threading.Event) -> None:
    while True:
        counters = {name: getattr(log, name) for name in COUNTERS}
        try:
            os.write(sys.stdout.fileno(), orjson.dumps(counters) + b"\n")
        except OSError:
            return  # nobody listens any more
        if stop.wait(REPORT_EVERY_S):
            return


if __name__ == "__main__":
    main()
