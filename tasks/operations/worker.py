"""Prefect's worker, as deployments/worker starts it; metrics of its process go with it, by setting.

Prefect's own would listen on every address, and each run would ask for the same port.
"""

import os
import sys

from tasks.operations.exporter import ExporterError, serve
from tasks.orchestration.command_line import fail
from tasks.orchestration.prefect_api import refusal
from tasks.settings import Settings

PORT = "TRIPTYCH_WORKER_METRICS_PORT"


def main(arguments: list[str]) -> int:
    """Work until it is ended; 1: the server refuses the password, or a port is taken.

    arguments: those of `prefect worker start`.
    """
    settings = Settings()
    if settings.worker_metrics_port is not None:
        try:
            serve(settings.metrics_host, settings.worker_metrics_port, setting=PORT)
        except ExporterError as error:
            fail(str(error))
            return 1
        os.environ.pop(PORT)  # no run needs it
    if refused := refusal():
        fail(refused)
        return 1
    from prefect.cli import app

    sys.argv = ["prefect", "worker", "start", *arguments]  # which it reads
    app()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
