"""The variables for a Prefect server of the home folder, or for its clients, for a shell to read.

    eval "$(python -m tasks.orchestration.environment)" && prefect deployment ls

With --server those that the server itself is started with.
"""

import os
import shlex
import sys
from pathlib import Path

from tasks.orchestration.prefect_access import (
    AccessError,
    client_environment,
    running_server,
    server_environment,
)

PORT = "4200"


def environment(home: Path, server: bool) -> dict[str, str]:
    """The variables; a client's name the server that runs for this home, or the one to come.

    Raises:
        AccessError: the password cannot be used.
        OSError: it can be neither read nor made.
    """
    port = int(os.environ.get("TRIPTYCH_PORT") or PORT)
    if server:
        host = os.environ.get("PREFECT_SERVER_API_HOST") or "127.0.0.1"
        return server_environment(home, port, host)
    running = running_server(home)
    return client_environment(home, running.url if running else f"http://127.0.0.1:{port}/api")


def main() -> None:
    """Print one `export` a line; status 1 and a line on standard error if that cannot be done."""
    home = Path(os.environ.get("TRIPTYCH_HOME") or "var").expanduser().resolve()
    try:
        variables = environment(home, "--server" in sys.argv[1:])
    except (AccessError, OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    for name, value in variables.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


if __name__ == "__main__":
    main()
