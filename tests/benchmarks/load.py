"""Load on a server: wrk for its speed, and a client of our own where each answer counts."""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What a client saw. Times in ms; None where nothing was answered."""

    connections: int
    p50_ms: float | None
    p99_ms: float | None
    requests_per_second: float
    errors: int


def require_wrk() -> str:
    """Where wrk is.

    Raises: SystemExit: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        sys.exit("the benchmark needs wrk, as in: apt-get install wrk")
    return found


def wrk(url: str, script: str, connections: int, seconds: int) -> Load:
    """Ask from so many connections without a pause.

    script: Lua, as wrk takes it.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        said = subprocess.run(
            [
                *(require_wrk(), "--threads", "1", "--connections", str(connections)),
                *("--duration", f"{seconds}s", "--timeout", "10s", "--latency"),
                *("--script", file.name, url),
            ],
            capture_output=True,
            text=True,
        ).stdout
    return read_wrk(said, connections)


def read_wrk(said: str, connections: int) -> Load:
    """What wrk says; only answers of 2xx and 3xx count for the rate.

    A server that it cannot even connect to, or that answers nothing in time, has given nothing.
    """
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    answered = re.search(r"(\d+) requests in", said)
    if rate is None or answered is None:
        return Load(connections, None, None, 0.0, connections)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    errors = int(refused[1]) if refused else 0
    good = int(answered[1]) - errors
    return Load(
        connections,
        _percentile(said, "50%") if good else None,
        _percentile(said, "99%") if good else None,
        float(rate[1]) * good / int(answered[1]) if good else 0.0,
        errors + (sum(map(int, broken.groups())) if broken else 0),
    )


def _percentile(said: str, name: str) -> float | None:
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s|m)\b", said)
    return float(found[1]) * _UNITS_MS[found[2]] if found else None


@dataclass(frozen=True)
class Rush:
    """Answers to more requests than can be answered.

    accepted_p99_ms: of those that got 200. recovered_s: from the end of the rush to the first of
    ten answers in a row with 200, each within 50 ms; one request after another. None where there
    was none.
    """

    statuses: dict[int, int]
    errors: int
    accepted_p50_ms: float | None
    accepted_p99_ms: float | None
    recovered_s: float | None


def rush(host: str, port: int, path: str, body: bytes, connections: int, seconds: int) -> Rush:
    """Ask from so many connections without a pause, and look at each answer."""
    return asyncio.run(_rush(host, port, path, body, connections, seconds))


async def _rush(
    host: str, port: int, path: str, body: bytes, connections: int, seconds: int
) -> Rush:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    message = head.encode() + body
    statuses: Counter[int] = Counter()
    accepted: list[float] = []
    errors = 0
    end = time.perf_counter() + seconds

    async def ask() -> None:
        nonlocal errors
        while time.perf_counter() < end:
            try:
                reader, writer = await asyncio.open_connection(host, port)
                while time.perf_counter() < end:
                    took, status = await _once(reader, writer, message)
                    statuses[status] += 1
                    if status == 200:
                        accepted.append(took)
                writer.close()
            except (OSError, asyncio.IncompleteReadError):
                errors += 1

    await asyncio.gather(*(ask() for _ in range(connections)))
    recovered = await _recovered(host, port, message)
    accepted.sort()
    return Rush(
        dict(statuses),
        errors,
        _share_ms(accepted, 0.5),
        _share_ms(accepted, 0.99),
        recovered,
    )


def _share_ms(ordered_s: list[float], share: float) -> float | None:
    """The time within which a share lies; the times in order."""
    return 1e3 * ordered_s[int(len(ordered_s) * share)] if ordered_s else None


async def _once(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
) -> tuple[float, int]:
    began = time.perf_counter()
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return time.perf_counter() - began, int(head[9:12])


async def _recovered(host: str, port: int, message: bytes) -> float | None:
    began, good, first = time.perf_counter(), 0, 0.0
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(host, port)
            while good < 10:
                took, status = await _once(reader, writer, message)
                good = good + 1 if status == 200 and took < 0.05 else 0
                if good == 1:
                    first = time.perf_counter() - began
            writer.close()
    except (OSError, EOFError, TimeoutError):  # it is away, hangs up, or stays slow
        return None
    return first


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def memory_mb(pid: int) -> float | None:
    """Resident size of a process in MB; None if it has ended."""
    import psutil

    try:
        return psutil.Process(pid).memory_info().rss / 1e6
    except psutil.Error:
        return None
