"""`triptych rollback`: the night, the model or the release before counts again."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import CliPositionalArg

from tasks.operations.rollback import verb
from tasks.orchestration.command_line import Command
from tasks.orchestration.parameters import FlowParameters

_OWN = {
    "source": "night",
    "run": "night",
    "override_block": "model",
    "new_contract": "model",
    "name": "release",
    "channel": "release",
}


class Rollback(FlowParameters):
    """Go back to the night, the fraud model or the release before, or to the one that --to names.

    The same way leads back again: --to names what was taken back. An interrupted one is finished
    by the same command.
    """

    what: CliPositionalArg[Literal["night", "model", "release"]] = Field(
        description="the published night of a source, the champion, or the release of a detector"
    )
    to: str | None = Field(
        None, min_length=1, description="the night's date, the model's tag, or the version"
    )
    dry_run: bool = Field(False, description="only say what would change")
    source: str | None = Field(
        None, min_length=1, description="of the night; by default the only one there is"
    )
    run: str | None = Field(
        None,
        min_length=1,
        description="of the night: how the run's id begins, where several of it were taken back",
    )
    override_block: bool = Field(False, description="of a model that promotion is blocked for")
    new_contract: bool = Field(False, description="although the model reads other features")
    name: str | None = Field(
        None, min_length=1, description="of the release; by default the only one there is"
    )
    channel: Literal["stable", "canary"] = Field("stable", description="of the release")

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        for name in self.model_fields_set & set(_OWN):
            if _OWN[name] != self.what:
                raise ValueError(f"{name} goes with {_OWN[name]} alone")
        if self.run is not None and self.to is None:
            raise ValueError("run says which run of the night that --to names")
        return self


COMMAND = Command(Rollback, verb.run, verb.ERRORS)
