"""`triptych status`: how everything stands."""

from pydantic import AliasChoices, Field

from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Status(FlowParameters):
    """Show what runs, how each panel stands, and what needs a person.

    The exit status is 1 where a person is needed.
    """

    json_: bool = Field(
        False, validation_alias=AliasChoices("json", "json_"), description="for programs"
    )


def show(params: Status) -> int:
    """Print it; the exit status."""
    from tasks.operations.status.show import show_status

    return show_status(as_json=params.json_)


COMMAND = Command(Status, show)
