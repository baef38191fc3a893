"""The Prefect API that a flow started from a terminal reports to.

Where an API is configured (`PREFECT_API_URL` or a profile), that one. Otherwise a server of our
own, started on a free port for as long as the flow runs, with its database and its log in the
home folder. A server in a process of its own, since Prefect's in-process one prints tracebacks
when the program ends before its services do.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect._internal.concurrency.services import QueueService
from prefect.settings import PREFECT_API_URL, temporary_settings

START_S = 180  # the first start on an empty database takes 20 s on two cores
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ApiError(Exception):
    """The local Prefect server did not start."""


@contextmanager
def prefect_api(home: Path, announce: Callable[[str], None]) -> Iterator[str]:
    """The address of an API that answers, for as long as the block lasts.

    Raises: ApiError: the local server ended or did not answer in time; names its log.
    """
    configured = PREFECT_API_URL.value()
    if configured:
        yield configured
        return
    folder = home / "prefect"
    is_new = not (folder / "prefect.db").exists()
    folder.mkdir(parents=True, exist_ok=True)
    announce("starting a local Prefect server" + (" (20 s the first time)" if is_new else ""))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    log = folder / "server.log"
    with log.open("ab") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the flow; the server is ended after it
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    try:
        _await_health(server, url, log)
        with temporary_settings({PREFECT_API_URL: url}):
            try:
                yield url
            finally:
                QueueService.drain_all(timeout=10, at_exit=False)  # events and logs on their way
    finally:
        server.terminate()
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _environment(folder: Path) -> dict[str, str]:
    """The server's: ours, less what would make it a client of another API."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_API_")}
    return {
        **kept,
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_UI_ENABLED": "false",
    }


def _end_with_parent() -> None:
    """Let the kernel end the server even if this process is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_health(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ApiError(f"the local Prefect server ended at once; its log is {log}")
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise ApiError(f"the local Prefect server gave no answer in {START_S} s; its log is {log}")
