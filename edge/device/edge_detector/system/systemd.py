"""Tells systemd how the process is, as `sd_notify` does; does nothing where nobody listens."""

import contextlib
import os
import socket
from collections.abc import Mapping


class Systemd:
    """Sends states to the socket that systemd has named in `NOTIFY_SOCKET`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract name.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def starting(self, status: str, limit_s: float) -> None:
        """It takes long to start: not to be given up before limit_s seconds."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(limit_s * 1e6)}\nSTATUS={_line(status)}")

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """One line that `systemctl status` shows."""
        self._send(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Feed the watchdog (`WatchdogSec`)."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # Nothing depends on it here; where it does not arrive, systemd sees for itself.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(state.encode(), self._address)


def _line(text: str) -> str:
    return " ".join(text.split())
