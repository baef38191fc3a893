"""The variables for a Prefect server of the home folder, or for its clients, for a shell to read.

eval "$(triptych env)" && prefect deployment ls
"""

import os
import shlex
import sys
from pathlib import Path
from typing import Protocol

from tasks.operations.stack.ports import DEFAULTS
from tasks.orchestration.prefect_access import (
    AccessError,
    client_environment,
    server_environment,
)
from tasks.orchestration.running_server import NoAnswer, running_server
from tasks.settings import Settings

PORT = DEFAULTS["TRIPTYCH_PORT"]
ERRORS = (AccessError,)


class Asked(Protocol):
    """What the command is asked for."""

    @property
    def server(self) -> bool:
        """The variables of the server, not of a client."""


def environment(home: Path, server: bool) -> dict[str, str]:
    """The variables; a client's name the server that runs for this home, or the one to come.

    Raises:
        AccessError: the password cannot be used, or TRIPTYCH_PORT is no port.
        OSError: it can be neither read nor made.
    """
    given = os.environ.get("TRIPTYCH_PORT") or str(PORT)
    port = int(given) if given.isdecimal() and len(given) <= 5 else 0
    if not 1 <= port <= 65_535:
        raise AccessError(f"TRIPTYCH_PORT: {given} is no port; give a number such as {PORT}")
    if server:
        host = os.environ.get("PREFECT_SERVER_API_HOST") or "127.0.0.1"
        return server_environment(home, port, host)
    try:
        running = running_server(home)
    except NoAnswer as silence:  # it may be just starting
        running = silence.server
    return client_environment(home, running.url if running else f"http://127.0.0.1:{port}/api")


def show(given: Asked) -> None:
    """Print one `export` a line; raises as `environment` does."""
    for name, value in environment(Settings().home, given.server).items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
