"""`triptych trace`: where something comes from."""

from pydantic import AliasChoices, Field
from pydantic_settings import CliPositionalArg

from tasks.operations.lineage.node import Kind, NotFoundError
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters


class Trace(FlowParameters):
    """Show everything that made something, and what else came of the same model.

    Offline, from the records in the home folder, the database and the releases.
    """

    id: CliPositionalArg[str] = Field(
        min_length=1,
        description="of a review, answer, transaction, run, model, release or device; a sha256 or"
        " the beginning of one; or a file, such as a device's manifest.json",
    )
    as_: Kind | None = Field(
        None,
        validation_alias=AliasChoices("as", "as_"),
        description="what is meant, where the id may mean several things",
    )
    json_: bool = Field(
        False, validation_alias=AliasChoices("json", "json_"), description="for programs"
    )


def show(params: Trace) -> int:
    """Print it; the exit status."""
    from tasks.operations.lineage.trace import trace

    return trace(params.id, params.as_, as_json=params.json_)


COMMAND = Command(Trace, show, (NotFoundError,))
