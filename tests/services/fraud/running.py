"""The service in this process, asked through HTTP's own messages, or as BentoML serves it."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from services.fraud.scoring import store
from services.fraud.scoring.registry import Registry
from services.fraud.settings import ServiceSettings
from services.fraud.worker import Worker
from tests.threads import threads

ROOT = Path(__file__).parents[3]
GENUINE = [57.16, 0, 0, 1, 57.16, 5, 48.9, 41, 54.1, 2, 0.0, 6, 0.0, 27, 0.0]
START_S = 60


def promoted(model_folder: Path, home: Path) -> str:
    """The tag of a model that has been put into the store of a home, as champion."""
    tag = store.save(model_folder, home)
    Registry(home).promote(tag, "for a test")
    return tag


async def nothing_behind(scope, receive, send) -> None:
    """The application behind, which answers what the service does not."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"behind"})


class InProcess:
    """A worker and a client of it."""

    def __init__(self, home: Path, *, server: str = "127.0.0.1", **settings: Any) -> None:
        """server: the address at which the worker believes to be asked."""
        self.worker = Worker(ServiceSettings(home=home, **settings))

        async def application(scope, receive, send) -> None:
            scope["server"] = (server, 3000)
            await self.worker.web(scope, receive, send, nothing_behind)

        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://127.0.0.1:3000"
        )

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.close()


@contextmanager
def served(
    home: Path,
    *,
    ready: bool = True,
    log: str = "serve.log",
    before: Sequence[str] = (),
    **environment: str,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """BentoML's server on a free port: its address and process.

    ready: whether to wait until it has a model that answers, or only until it lives. log: name of
    its log in the home. before: a command that runs it.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = serving(home, port, log=log, before=before, **environment)
    try:
        await_ready(url, server, "/readyz" if ready else "/livez")
        yield url, server
    finally:
        if server.poll() is None:
            ends = psutil.Process(server.pid).children() if before else [server]
            for process in ends:  # `unshare` lets no SIGTERM through
                process.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serving(
    home: Path,
    port: int,
    *,
    log: str = "serve.log",
    before: Sequence[str] = (),
    **environment: str,
) -> subprocess.Popen[bytes]:
    """BentoML's server as it starts on a port of this machine; see `served`."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / log).open("wb") as output:
        return subprocess.Popen(
            [
                *(*before, sys.executable, "-m", "bentoml", "serve"),
                *("services.fraud.service:FraudDetector", "--port", str(port)),
            ],
            cwd=ROOT,
            env=environment_of(home, **environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def environment_of(home: Path, **settings: str) -> dict[str, str]:
    """What a process with a home gets: of the settings of whoever starts it only how many threads
    libraries may have."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home / "empty"),
        "TRIPTYCH_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        **threads(),
        **settings,
    }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def await_ready(url: str, server: subprocess.Popen[bytes], path: str = "/readyz") -> None:
    """Wait until the service says that it is ready, or what else a path says."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended at once"
        try:
            if httpx.get(f"{url}{path}", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready in {START_S} s")


def wait_until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    """What the database of a home answers; nothing before the log has made its table."""
    with closing(sqlite3.connect(home / "triptych.db", timeout=10)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
            return []
        return connection.execute(query).fetchall()
