"""A command of the product as a process of its own, which ends with this one.

Its output comes by a pipe, so that a full disk does not concern it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from tasks.operations.rehearsal.errors import Broken
from tasks.orchestration.child import ended_with_us

PATIENCE_S = 180.0
ASK_EVERY_S = 0.05
READ_S = 10.0  # for the last words of one that has ended


class Process:
    """`python -m` something, under way."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._name = " ".join(words[:2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it is killed with all that it has started
            preexec_fn=ended_with_us(signal.SIGKILL),
        )
        self._said = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status; None while it is at work."""
        return self._process.poll()

    def said(self) -> str:
        """All that it has printed."""
        return bytes(self._said).decode(errors="replace")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while content := os.read(output.fileno(), 65_536):
                self._said += content

    def last_line(self) -> str:
        """The error that it has named, else the last thing that it has said."""
        lines = [line.strip() for line in self.said().splitlines() if line.strip()]
        told = [line.partition("error: ")[2] for line in lines if "error: " in line]
        return (told or lines or ["it said nothing"])[-1]

    def until(self, is_so: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until something is so while it is at work.

        Raises: Broken: it ended before, or time is over.
        """
        deadline = time.monotonic() + patience_s
        while not is_so():
            if self.status is not None:
                raise Broken(f"{self._name} ended before {what}: {self.last_line()}")
            if time.monotonic() > deadline:
                raise Broken(f"{patience_s:.0f} s passed before {what}")
            time.sleep(ASK_EVERY_S)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Its exit status. Raises: Broken: it does not end."""
        try:
            status = self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            raise Broken(f"{self._name} did not end within {patience_s:.0f} s") from None
        self._reader.join(READ_S)
        return status

    def kill(self) -> None:
        """SIGKILL, to all of it; what it has said stays."""
        with suppress(ProcessLookupError):  # nothing of it is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(READ_S)


@contextmanager
def started(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[Process]:
    """A process that does not outlive the block."""
    process = Process(words, environment)
    try:
        yield process
    finally:
        process.kill()


def done(words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, Process]:
    """Run a command to its end; its exit status. Raises: Broken: it does not end."""
    with started(words, environment) as process:
        return process.wait(), process
