"""`triptych env`: what a shell needs to know to ask the Prefect server."""

from pydantic import Field

from tasks.operations import environment
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Env(FlowParameters):
    """Print the address and the password of the Prefect server, for a shell to read.

    eval "$(triptych env)" lets `prefect` and other programs in that shell use them.
    """

    server: bool = Field(False, description="print what a Prefect server is started with instead")


COMMAND = Command(Env, environment.show, environment.ERRORS)
