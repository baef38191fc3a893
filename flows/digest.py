"""The digest: each morning, how the night was, how everything stands, and what needs a person."""

from prefect import flow
from pydantic import Field

from tasks import digest as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import Day, FlowParameters


class Digest(FlowParameters):
    """Tell how all three panels stand, and what needs a person.

    As an artifact in the Prefect UI, and as a message to the addresses of TRIPTYCH_NOTIFY_URLS.
    """

    run_date: Day | None = Field(
        None, description="the day it is for; by default the day for which the run was scheduled"
    )
    send: bool = Field(True, description="send it, too, where addresses are set")


@flow(name="digest", flow_run_name=steps.name_run)
def digest(params: Digest) -> None:
    """Read, show, send."""
    made = steps.compose(steps.day_of(params))
    steps.show(made)
    if params.send:
        steps.send(made)


COMMAND = FlowCommand(Digest, digest, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.digest")
