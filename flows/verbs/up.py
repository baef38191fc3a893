"""`triptych up`: the whole stack on this machine."""

from tasks.operations.stack import start
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Up(FlowParameters):
    """Start the Prefect server, a worker, the fraud service and the server for devices.

    They run until Ctrl-C.
    """


COMMAND = Command(Up, start.run)
