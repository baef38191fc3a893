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
from pathlib import Path

_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What a client saw. Times in ms."""

    connections: int
    p50_ms: float
    p99_ms: float
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
            check=True,
        ).stdout
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate, said
    return Load(
        connections,
        _percentile(said, "50%"),
        _percentile(said, "99%"),
        float(rate[1]),
        (int(errors[1]) if errors else 0) + (sum(map(int, broken.groups())) if broken else 0),
    )


def _percentile(said: str, name: str) -> float:
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s|m)\b", said)
    assert found, said
    return float(found[1]) * _UNITS_MS[found[2]]


@dataclass(frozen=True)
class Rush:
    """Answers to more requests than can be answered.

    accepted_p99_ms: of those that got 200. recovered_s: from the end of the rush to the first of
    ten answers in a row with 200, each within 50 ms; one request after another.
    """

    statuses: dict[int, int]
    errors: int
    accepted_p50_ms: float
    accepted_p99_ms: float
    recovered_s: float


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
        1e3 * accepted[len(accepted) // 2],
        1e3 * accepted[int(len(accepted) * 0.99)],
        recovered,
    )


async def _once(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
) -> tuple[float, int]:
    began = time.perf_counter()
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    return time.perf_counter() - began, int(head[9:12])


async def _recovered(host: str, port: int, message: bytes) -> float:
    began, good, first = time.perf_counter(), 0, 0.0
    reader, writer = await asyncio.open_connection(host, port)
    while good < 10 and time.perf_counter() - began < 30:
        took, status = await _once(reader, writer, message)
        good = good + 1 if status == 200 and took < 0.05 else 0
        if good == 1:
            first = time.perf_counter() - began
    writer.close()
    return first if good == 10 else float("inf")


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def memory_mb(pid: int) -> float:
    """Resident size of a process in MB."""
    kib = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert kib
    return int(kib[1]) * 1024 / 1e6
