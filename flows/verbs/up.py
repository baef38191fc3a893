"""`triptych up`: the whole stack on this machine."""

from pydantic import Field

from tasks.operations.stack import start
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Up(FlowParameters):
    """Start everything on this machine, and tell where to look; Ctrl-C ends it.

    A Prefect server with all flows as deployments, a worker, the fraud service, the server of
    releases and telemetry, and a device on a rendered video. In an empty home folder the first
    fraud model is trained and the bundled detector published. What dies is started again; its log
    lies in TRIPTYCH_HOME/logs.

    Ports: TRIPTYCH_PORT (Prefect, 4200), TRIPTYCH_FRAUD_PORT (3000), TRIPTYCH_RELEASES_PORT
    (8080), TRIPTYCH_PREVIEW_PORT (the device's picture, 8090), TRIPTYCH_METRICS_PORT (8091),
    TRIPTYCH_WORKER_METRICS_PORT (8092); 0 takes any that is free.
    TRIPTYCH_CAMERA: what the device looks at, such as rtsp://host/stream.
    """

    without: tuple[str, ...] = Field(
        (), description="parts that are not started: worker, watch, fraud, releases, device"
    )


COMMAND = Command(Up, lambda given: start.run(given.without), start.ERRORS)
