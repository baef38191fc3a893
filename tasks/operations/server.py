"""Prefect's server for the home folder, as deployments/server starts it.

Commands of the home find it by what it writes down of itself before it starts.
"""

import os

from services.storage.files import write_bytes
from tasks.operations.environment import environment
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters
from tasks.orchestration.prefect_access import GIVEN, AccessError, scrape_password_file
from tasks.orchestration.running_server import note_server, noted_process, running_server
from tasks.settings import Settings


class Server(FlowParameters):
    """Run a Prefect server that asks for the password of the home folder, until it is ended.

    TRIPTYCH_PORT: its port (4200); PREFECT_SERVER_API_HOST: the address that it listens on
    (127.0.0.1).
    """


def serve(_given: object) -> None:
    """Become Prefect's server: its process is this one, and so is what is written down of it.

    Raises:
        AccessError: the password cannot be used, or a server of this home runs already.
        OSError: the home folder cannot be written.
    """
    home = Settings().home
    if (pid := noted_process(home)) is not None:
        raise AccessError(
            f"a Prefect server of {home} runs already, as process {pid}: end that, or set"
            " TRIPTYCH_HOME to another folder"
        )
    if (other := running_server(home)) is not None:  # one of an earlier version notes no process
        raise AccessError(
            f"a Prefect server of {home} runs already, at {other.url}: end that first"
        )
    settings = environment(home, server=True)
    note_server(home, f"http://127.0.0.1:{settings['PREFECT_SERVER_API_PORT']}/api", os.getpid())
    _, _, secret = settings[GIVEN].partition(":")  # Prometheus reads the name from its settings
    write_bytes(scrape_password_file(home), secret.encode(), mode=0o600)
    os.execvpe("prefect", ["prefect", "server", "start"], {**os.environ, **settings})


COMMAND = Command(Server, serve, (AccessError,))

if __name__ == "__main__":
    COMMAND.run("deployments/server")
