"""What devices ask of the server that hands out releases: bytes and requests of each poll.

A real repository is published, `edge.fleet.server` hands it out, and a device asks it with
`edge_detector update`, through a proxy that counts all bytes of HTTP both ways; TCP's and TLS's own
come on top. What 1,000 and 100,000 devices ask follows from the default of `--update-every`.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.load import free_port

ROOT = Path(__file__).parents[3]
START_S = 60.0
CHUNK = 65_536
FLEETS = (1_000, 100_000)
Found = dict[str, Any]


@dataclass
class Traffic:
    """What went through: requests, the connections they took, and bytes to and from the server."""

    requests: int = 0
    connections: int = 0
    sent: int = 0
    received: int = 0


class CountingProxy:
    """Hands on what comes to its port to another one, and counts it."""

    def __init__(self, target: int, stack: ExitStack) -> None:
        self._target, self._lock = target, threading.Lock()
        self._traffic = Traffic()
        self._socket = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self) -> Traffic:
        """What went through since the last time."""
        with self._lock:
            found, self._traffic = self._traffic, Traffic()
        return found

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._traffic.connections += 1
                for source, sink, is_up in ((near, far, True), (far, near, False)):
                    threading.Thread(
                        target=self._hand_on, args=(source, sink, is_up), daemon=True
                    ).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket, is_up: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                with self._lock:
                    if is_up:
                        self._traffic.sent += len(chunk)
                        self._traffic.requests += chunk.count(b"GET /")
                    else:
                        self._traffic.received += len(chunk)
                sink.sendall(chunk)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def measure(scratch: Path) -> Found:
    """Traffic of a device that comes new, that finds nothing new, fresh signatures, a release."""
    fleet = Fleet(scratch)
    fleet.publish("1.0.0")
    polls = {}
    with ExitStack() as stack:
        proxy = CountingProxy(stack.enter_context(fleet.serving()), stack)
        polls["first"] = fleet.poll(proxy)
        polls["nothing new"] = fleet.poll(proxy)
        fleet.renew()
        polls["signatures of the next day"] = fleet.poll(proxy)
        fleet.publish("1.0.1")
        polls["a new release"] = fleet.poll(proxy)
    interval_s = update_interval_s()
    return {
        "interval_s": interval_s,
        "polls": {name: asdict(traffic) for name, traffic in polls.items()},
        "fleets": {count: ask(count, interval_s, polls) for count in FLEETS},
    }


def ask(devices: int, interval_s: float, polls: dict[str, Traffic]) -> Found:
    """What so many devices ask of a server, and what a release costs it."""
    quiet, news = polls["nothing new"], polls["a new release"]
    every_s = devices / interval_s
    return {
        "requests_per_s": every_s * quiet.requests,
        "kb_per_s": every_s * (quiet.sent + quiet.received) / 1e3,
        "gb_per_day": every_s * 86_400 * (quiet.sent + quiet.received) / 1e9,
        "gb_per_release": devices * news.received / 1e9,
        "mbit_per_s_in_a_release": every_s * news.received * 8 / 1e6,
    }


def render(found: Found) -> list[str]:
    """Two tables in Markdown."""
    lines = ["| a device's poll | requests | bytes sent | bytes received |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {poll['requests']} | {poll['sent']:,} | {poll['received']:,} |"
        for name, poll in found["polls"].items()
    ]
    head = ("devices", "requests/s", "GB a day", "GB a release", "Mbit/s while it spreads")
    lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += [
        f"| {int(devices):,} | {fleet['requests_per_s']:,.1f} | {fleet['gb_per_day']:,.2f} |"
        f" {fleet['gb_per_release']:,.1f} | {fleet['mbit_per_s_in_a_release']:,.0f} |"
        for devices, fleet in found["fleets"].items()
    ]
    return lines


class Fleet:
    """A publisher, its server, and a device, in a folder."""

    def __init__(self, scratch: Path) -> None:
        self._publisher, self._device = scratch / "publisher", scratch / "device"
        own = ("TRIPTYCH_", "PREFECT_API_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self._environment = {**kept, "TRIPTYCH_HOME": str(self._publisher)}

    def publish(self, version: str) -> None:
        """The bundled detector in int8, measured as little as the publisher lets."""
        few = ("--scenes", "5", "--timing-s", "0.1", "--threads", "1", "--variant", "int8")
        model = ("--model", "bundled", "--version", version)
        self._run("flows.publish_detector", *model, *few)

    def renew(self) -> None:
        """Sign again what `manage_releases --renew` would sign tomorrow."""
        from edge.release.repository.address import open_storage
        from edge.release.repository.keys import Keys
        from edge.release.repository.repository import Repository, utc_now

        storage = open_storage(str(self._publisher / "releases"))
        keys = Keys(self._publisher / "keys")
        tomorrow = Repository(storage, keys, clock=lambda: utc_now() + timedelta(days=1))
        if not tomorrow.renew().written:
            raise RuntimeError("nothing was signed again")

    def poll(self, proxy: CountingProxy) -> Traffic:
        """A device looks for news, and takes what there is."""
        proxy.take()
        releases = f"http://127.0.0.1:{proxy.port}/releases"
        self._run("edge_detector", "update", "--home", str(self._device), "--releases", releases)
        return proxy.take()

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The port at which the releases are handed out."""
        port = free_port()
        command = [sys.executable, "-m", "edge.fleet.server", "--port", str(port)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + START_S
            while True:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise TimeoutError("edge.fleet.server does not start")
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            process.wait()

    def _run(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2_000:]}")


def update_interval_s() -> float:
    """How often a device looks, if nobody says otherwise."""
    from edge_detector.cli.options import RUN

    (option,) = (each for each in RUN if each.name == "update-every")
    return float(option.default)
