"""The Prefect API that a flow started from a terminal reports to.

Where an API is configured (`PREFECT_API_URL` or a profile), that one. Otherwise, if `make up` runs
for the same home folder, its server: two on one SQLite file would get into each other's way. Else
a server of our own, started on a free port for as long as the flow runs, with its database and
its log in the home folder. A server in a process of its own, since Prefect's in-process one prints
tracebacks when the program ends before its services do. Servers of ours ask for the password of
`prefect_access`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
from prefect._internal.concurrency.services import QueueService
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from tasks.orchestration.child import ended_with_us
from tasks.orchestration.faults import disk_state, is_refusal
from tasks.orchestration.prefect_access import (
    AccessError,
    describe_refusal,
    password,
    server_environment,
)
from tasks.orchestration.running_server import NoAnswer, RunningServer, running_server

RECORD_S = 3
ASK_EVERY_S = 0.5
ANSWER_S = 120  # for the server of this home, which may be just starting
START_S = 180  # the first start on an empty database takes 20 s on two cores


class ApiError(Exception):
    """The local Prefect server did not start, or cannot be used."""


@contextmanager
def prefect_api(home: Path, announce: Callable[[str], None]) -> Iterator[str]:
    """The address of an API that answers, for as long as the block lasts.

    Raises:
        ApiError: the local server ended or did not answer in time, and its log is named; or its
            password cannot be used; or the server that runs for this home gives no answer, or
            the one that is configured refuses the password.
        OSError: the home folder cannot be written.
    """
    configured = PREFECT_API_URL.value()
    running, known = _access(home, configured, announce)
    if running:
        if running.password is None:
            announce("the server of this home folder asks for no password: start it again")
        with _client_of(running):
            yield running.url
        return
    if configured:
        if refused := refusal():
            raise ApiError(refused)
        yield configured
        return
    with own_server(home, known, announce) as own:
        began = datetime.now(UTC)
        with _client_of(own):
            yield own.url
        _await_records(own, began)


def refusal() -> str | None:
    """The line for a configured API that refuses our password; None: it takes it, or is away."""
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(sync_client=True) as client,
        ):
            client.read_flows(limit=1)
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        return describe_refusal(error.request.url) if is_refusal(error) else None
    return None


@contextmanager
def own_server(
    home: Path, known: str | None, announce: Callable[[str], None]
) -> Iterator[RunningServer]:
    """A server that answers, ended with the block.

    known: its password, that of the home folder. Raises as `prefect_api`.
    """
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
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
            env=_environment(home, port),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the flow; the server is ended after it
            preexec_fn=ended_with_us(signal.SIGTERM),
        )
    try:
        _await_health(process, url, log)
        yield RunningServer(url, known)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _access(
    home: Path, configured: str | None, announce: Callable[[str], None]
) -> tuple[RunningServer | None, str | None]:
    """The server that runs for this home; if there is none, the password for one of our own.

    Of one that is configured only if that is it, and no password for it is: a worker or a shell
    that knows the address alone.
    """
    if configured and PREFECT_API_AUTH_STRING.value():
        return None, None
    try:
        running = _await_running(home, configured, announce)
        return running, None if running or configured else password(home)
    except AccessError as error:
        raise ApiError(str(error)) from error


def _await_running(
    home: Path, configured: str | None, announce: Callable[[str], None]
) -> RunningServer | None:
    """The server that runs for this home. Raises: NoAnswer: it gives none for ANSWER_S."""
    deadline, is_told = time.monotonic() + ANSWER_S, False
    while True:
        try:
            return running_server(home, configured)
        except NoAnswer as silence:
            if not is_told:
                is_told = True
                announce(
                    f"the Prefect server of this home, at {silence.server.url}, gives no answer;"
                    f" waiting for it, for {ANSWER_S:g} s at most"
                )
            if time.monotonic() >= deadline:
                raise
        time.sleep(ASK_EVERY_S)


@contextmanager
def _client_of(server: RunningServer) -> Iterator[None]:
    """Report to this API, and be done with it: events and logs on their way are sent."""
    with temporary_settings(
        {PREFECT_API_URL: server.url, PREFECT_API_AUTH_STRING: server.password}
    ):
        try:
            yield
        finally:
            QueueService.drain_all(timeout=10, at_exit=False)


def _await_records(server: RunningServer, began: datetime) -> None:
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
    try:
        with server.requests(timeout_s=RECORD_S) as api:
            while quiet < 2 and time.monotonic() < deadline:  # twice: the last may not be there yet
                time.sleep(0.15)
                answer = api.post("/task_runs/count", json=unfinished)
                quiet = quiet + 1 if answer.text == "0" else 0
    except httpx.HTTPError:
        return


def _environment(home: Path, port: int) -> dict[str, str]:
    """The server's: ours, less what would make it a client of another API."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_API_")}
    return {**kept, **server_environment(home, port), "PREFECT_UI_ENABLED": "false"}


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    with httpx.Client(timeout=2) as client:  # making one reads all known certificates
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ApiError(
                    f"the local Prefect server ended at once; its log is"
                    f" {log}{disk_state(log.parent)}"
                )
            with suppress(httpx.HTTPError):
                if client.get(f"{url}/health").is_success:
                    return
            time.sleep(0.1)
    full = disk_state(log.parent)
    raise ApiError(
        f"the local Prefect server gave no answer in {START_S} s; its log is {log}{full}"
    )
