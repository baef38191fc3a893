"""The ports of the stack: each by a variable of its own, and all of them free before a start."""

import errno
import os
import socket
from collections.abc import Mapping

from tasks.operations.stack.errors import StackError

DEFAULTS = {
    "TRIPTYCH_PORT": 4200,
    "TRIPTYCH_FRAUD_PORT": 3000,
    "TRIPTYCH_RELEASES_PORT": 8080,
    "TRIPTYCH_PREVIEW_PORT": 8090,
    "TRIPTYCH_METRICS_PORT": 8091,
    "TRIPTYCH_WORKER_METRICS_PORT": 8092,
}
USES = {
    "TRIPTYCH_PORT": "Prefect",
    "TRIPTYCH_FRAUD_PORT": "the fraud service",
    "TRIPTYCH_RELEASES_PORT": "releases and telemetry",
    "TRIPTYCH_PREVIEW_PORT": "the device's picture",
    "TRIPTYCH_METRICS_PORT": "metrics of how all stands",
    "TRIPTYCH_WORKER_METRICS_PORT": "metrics of the worker",
}
HOST = "127.0.0.1"


def choose_ports(environment: Mapping[str, str]) -> dict[str, int]:
    """The port of each variable, all of them free now; for 0 any that is.

    Raises:
        StackError: some cannot be listened on, or are no ports, or are given twice; names each
            with the variable that changes it.
    """
    wanted = {name: _number(name, environment.get(name, "")) for name in DEFAULTS}
    faults = []
    chosen: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        for name, port in wanted.items():
            taker = socket.socket()
            held.append(taker)
            taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            twin = next((other for other, one in chosen.items() if port and one == port), None)
            try:
                taker.bind((HOST, port))
                taker.listen(1)
                chosen[name] = taker.getsockname()[1]
            except OSError as error:
                faults.append(_fault(name, port, twin, error))
    finally:
        for taker in held:
            taker.close()
    if faults:
        raise StackError("; ".join(faults))
    return chosen


def _number(name: str, given: str) -> int:
    if not given.strip():
        return DEFAULTS[name]
    number = int(given) if given.strip().isdecimal() and len(given) < 9 else -1
    if not 0 <= number <= 65535:
        raise StackError(f"{name} is {given[:100]!r}: give a port from 1 to 65535, or 0 for any")
    return number


def _fault(name: str, port: int, twin: str | None, error: OSError) -> str:
    use = f"port {port}, for {USES[name]},"
    if twin is not None:
        return f"{use} is that of {twin} too: give another in {name}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{use} is taken: end what listens there (lsof -i :{port} names it), or give another"
            f" in {name}"
        )
    reason = os.strerror(error.errno) if error.errno else error
    return f"{use} cannot be listened on ({reason}): give another in {name}"
