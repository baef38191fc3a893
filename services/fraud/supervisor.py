"""The process that starts and watches the workers: what it does before, and how they follow it.

A worker holds the port itself. When the server is killed, it would answer on, with nobody to
replace it and with the code of then; so it ends with the server, having finished what it has in
hand. That works by asking for the parent, which every system knows; the server tells its number in
the environment, so that one that ended before the worker looked is noticed too.
"""

import errno
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from typing import Any

VARIABLE = "FRAUD_SERVER_PROCESS"
LOOK_EVERY_S = 0.5
FINISH_S = 60.0  # for what is in hand: twice what the body of a batch may take
logger = logging.getLogger(__name__)


def announce() -> str:
    """In the server: a name for it, which its workers find in their environment."""
    name = f"{os.getpid()}-{uuid.uuid4().hex}"  # numbers come again, and in each container anew
    os.environ[VARIABLE] = name
    return name


def announced() -> str | None:
    """In a worker: the name of its server; None in a process that has none."""
    return os.environ.get(VARIABLE)


class Watch:
    """Ends this process after its server has ended."""

    def __init__(self, server: str) -> None:
        """server: as it was announced."""
        self._pid = int(server.partition("-")[0])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="server-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while os.getppid() == self._pid:
            if self._stop.wait(LOOK_EVERY_S):
                return
        self._finish()

    def _finish(self) -> None:
        logger.error(
            "the server's process %d has ended: this worker finishes what it has in hand, and ends",
            self._pid,
        )
        os.kill(os.getpid(), signal.SIGTERM)  # as the server would have asked it to
        if not self._stop.wait(FINISH_S):
            logger.error("not finished in %.0f s: it ends now", FINISH_S)
            os._exit(1)


def explain_binding(socket_type: type[Any]) -> None:
    """Let sockets of a type, when they cannot be bound, end this process with one line."""

    def bind(self: Any, address: Any) -> None:
        try:
            socket.socket.bind(self, address)
        except OSError as error:
            sys.exit(f"error: {describe_binding(address, error)}")

    socket_type.bind = bind


def describe_binding(address: Any, error: OSError) -> str:
    """What keeps an address from being listened on, and what to do."""
    if not isinstance(address, tuple):
        return f"{address} cannot be listened on: {error}"
    host, port = address[:2]
    reasons = {
        errno.EADDRINUSE: f"port {port} of {host} is taken: end what listens there (lsof -i"
        f" :{port} names it), or give another port with --port, or to make up with"
        " TRIPTYCH_FRAUD_PORT",
        errno.EACCES: f"port {port} of {host} is not for this user: give one from 1024 on with"
        " --port",
        errno.EADDRNOTAVAIL: f"{host} is no address of this machine: give one of its own with"
        " --host",
    }
    return reasons.get(error.errno or 0, f"port {port} of {host} cannot be listened on: {error}")
