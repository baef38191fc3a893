"""The Prefect API that a flow started from a terminal reports to.

Where an API is configured (`PREFECT_API_URL` or a profile), that one. Otherwise, if `make up` runs
for the same home folder, its server: two on one SQLite file would get into each other's way. Else
a server of our own, started on a free port for as long as the flow runs, with its database and
its log in the home folder. A server in a process of its own, since Prefect's in-process one prints
tracebacks when the program ends before its services do.
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
from datetime import UTC, datetime
from pathlib import Path

import httpx
from prefect._internal.concurrency.services import QueueService
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.orchestration.faults import disk_state

RECORD_S = 3
START_S = 180  # the first start on an empty database takes 20 s on two cores
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ApiError(Exception):
    """The local Prefect server did not start."""


@contextmanager
def prefect_api(home: Path, announce: Callable[[str], None]) -> Iterator[str]:
    """The address of an API that answers, for as long as the block lasts.

    Raises:
        ApiError: the local server ended or did not answer in time; names its log.
        OSError: the home folder cannot be written.
    """
    configured = PREFECT_API_URL.value()
    if configured:
        yield configured
        return
    folder = home / "prefect"
    if running := _running(folder):
        with _client_of(running):
            yield running
        return
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
        began = datetime.now(UTC)
        with _client_of(url):
            yield url
        _await_records(url, began)
    finally:
        server.terminate()
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def _client_of(url: str) -> Iterator[None]:
    """Report to this API, and be done with it: events and logs on their way are sent."""
    with temporary_settings({PREFECT_API_URL: url}):
        try:
            yield
        finally:
            QueueService.drain_all(timeout=10, at_exit=False)


def _running(folder: Path) -> str | None:
    """The address of the server that `make up` runs on this folder, if it does.

    The address alone proves nothing: by now another server may answer there.
    """
    try:
        url = (folder / "server.url").read_text().strip()
        settings = httpx.get(f"{url}/admin/settings", timeout=2).raise_for_status().json()
        return url if Path(settings["home"]).resolve() == folder else None
    except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
        return None


def _await_records(url: str, began: datetime) -> None:
    """Let the server write down how the tasks ended; what it has not written when it ends is lost.

    It does so from a queue, within a second, and a task that never ended is not waited for.
    """
    unfinished = {
        "task_runs": {
            "expected_start_time": {"after_": began.isoformat()},
            "state": {"type": {"any_": ["PENDING", "RUNNING"]}},
        }
    }
    deadline, quiet = time.monotonic() + RECORD_S, 0
    while quiet < 2 and time.monotonic() < deadline:  # twice: the last one may not be there yet
        time.sleep(0.15)
        try:
            answer = httpx.post(f"{url}/task_runs/count", json=unfinished, timeout=RECORD_S)
        except httpx.HTTPError:
            return
        quiet = quiet + 1 if answer.text == "0" else 0


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
            raise ApiError(
                f"the local Prefect server ended at once; its log is {log}{disk_state(log.parent)}"
            )
        try:
            if httpx.get(f"{url}/health", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    full = disk_state(log.parent)
    raise ApiError(
        f"the local Prefect server gave no answer in {START_S} s; its log is {log}{full}"
    )
