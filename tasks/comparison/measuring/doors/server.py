"""A service as BentoML serves it, on a free port, for as long as it is measured."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tasks.comparison.errors import MeasuringError
from tasks.orchestration.child import ended_with_us

HOST = "127.0.0.1"
START_S, END_S = 180.0, 30.0


@dataclass(frozen=True)
class Server:
    """One that answers. start_s: from its command to its first right answer."""

    address: tuple[str, int]
    pid: int
    start_s: float


@contextmanager
def serving(
    service: str,
    home: Path,
    answers: Callable[[tuple[str, int]], bool],
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """A service with a home of its own, once it answers.

    service: as BentoML names it. answers: whether the door at an address gives a right answer.
    settings: variables beside its home.
    Raises: MeasuringError: it ended, or took too long; names its log.
    """
    address = HOST, free_port()
    log = home / "service.log"
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bentoml", "serve", service),
                *("--host", HOST, "--port", str(address[1])),
            ],
            env=environment(home, **settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=ended_with_us(signal.SIGTERM),
        )
    try:
        _await(process, lambda: answers(address), log)
        yield Server(address, process.pid, time.perf_counter() - began)
    finally:
        end(process)


def environment(home: Path, **more: str) -> Mapping[str, str]:
    """What a process that is measured gets: its own home, and nothing of the user's settings."""
    others = ("TRIPTYCH_", "PREFECT_", "BENTOML_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    ours = {"TRIPTYCH_HOME": str(home), "TMPDIR": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    return {**kept, **ours, **more}


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process in good order, and in any case."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
    return port


def _await(process: "subprocess.Popen[bytes]", answers: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if answers():
                return
        except OSError:
            pass
        time.sleep(0.05)
    ended = process.poll() is not None
    what = "ended before it answered" if ended else f"gave no answer in {START_S:.0f} s"
    lines = log.read_text("utf-8", "replace").splitlines()
    raise MeasuringError(f"the service {what}: {lines[-1] if lines else 'its log is empty'}")
