"""The log of answers in a process of its own, so that writing it never holds up an answer.

Inside the worker, the thread of `PredictionLog` would share Python's lock with the event loop:
measured at 5,000 answers a second, one in a hundred waited for more than 5 ms then, and waits
0.5 ms now. Rows go to the process through a pipe, as JSON, within `EVERY_S`. It ends when the pipe
does, having written what it got, also when the worker was killed.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from services.fraud.log import PredictionLog

EVERY_S = 0.05
ROWS_AT_ONCE = 50  # prepared holding Python's lock, in a tenth of a millisecond
CAPACITY = 200_000  # rows that wait here, should the process hang
REPORT_EVERY_S = 0.5
PATIENCE_S = 20  # with the process itself, on a machine that is busy
COUNTERS = ("written", "waiting", "spilled", "dropped", "failures")
PREDICTIONS, LABELS, BATCHES = "predictions", "labels", "batches"
logger = logging.getLogger(__name__)

Row = tuple[Any, ...]


class LogProcess:
    """Takes rows from any thread, and hands them to a `PredictionLog` in another process.

    Attributes: written, spilled, failures: as that one counts; see there.
    """

    def __init__(self, url: str, spill: Path) -> None:
        """Start the process; nothing is waited for."""
        self._greeting = orjson.dumps({"url": url, "spill": str(spill)})
        self._counted = dict.fromkeys(COUNTERS, 0)
        self._refused = 0
        self._rows: deque[tuple[str, Row]] = deque()
        self._stop = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def add(self, row: Row) -> None:
        """Log an answer: the values of a `Prediction`, as a plain tuple."""
        if len(self._rows) < CAPACITY:
            self._rows.append((PREDICTIONS, row))
        else:
            self._refused += 1

    def add_labels(self, rows: Iterable[Row]) -> None:
        """Log what transactions have turned out to be: the values of a `Label` each."""
        self._rows.extend((LABELS, tuple(row)) for row in rows)

    def add_batch(self, row: Row) -> None:
        """Log the summary of a batch: the values of a `Batch`."""
        self._rows.append((BATCHES, tuple(row)))

    @property
    def written(self) -> int:
        return self._counted["written"]

    @property
    def spilled(self) -> int:
        return self._counted["spilled"]

    @property
    def failures(self) -> int:
        return self._counted["failures"]

    @property
    def waiting(self) -> int:
        """Rows that are neither in the database nor in a file."""
        return len(self._rows) + self._counted["waiting"]

    @property
    def dropped(self) -> int:
        """Rows that are lost."""
        return self._refused + self._counted["dropped"]

    def close(self, timeout_s: float = 5.0) -> None:
        """Hand over what is left, and wait for the process to have written or spilled it."""
        self._stop.set()
        self._thread.join(timeout_s)
        with contextlib.suppress(OSError):
            self._pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s + PATIENCE_S)

    @property
    def _pipe(self) -> Any:
        assert self._process.stdin is not None
        return self._process.stdin

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "services.fraud.log_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for the worker, which closes the pipe
        )
        assert process.stdin is not None
        process.stdin.write(self._greeting + b"\n")
        process.stdin.flush()
        threading.Thread(
            target=self._listen, args=(process,), name="log-counters", daemon=True
        ).start()
        return process

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        before = dict(self._counted, waiting=0)
        for line in process.stdout:
            told = orjson.loads(line)
            self._counted = {name: before[name] + told[name] for name in COUNTERS}

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._hand_over()
        self._hand_over()

    def _hand_over(self) -> None:
        while self._rows:
            kind = self._rows[0][0]
            part: list[Row] = []
            while self._rows and self._rows[0][0] == kind and len(part) < ROWS_AT_ONCE:
                part.append(self._rows.popleft()[1])
            try:
                self._pipe.write(orjson.dumps([kind, part]) + b"\n")
                self._pipe.flush()
            except OSError:
                self._rows.extendleft((kind, row) for row in reversed(part))
                if self._stop.is_set():
                    return
                logger.warning("the log's process has ended; another one takes over")
                self._process.wait()
                self._process = self._start()


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
    while not stop.wait(REPORT_EVERY_S):
        counters = {name: getattr(log, name) for name in COUNTERS}
        try:
            os.write(sys.stdout.fileno(), orjson.dumps(counters) + b"\n")
        except OSError:
            return  # nobody listens any more


if __name__ == "__main__":
    main()
