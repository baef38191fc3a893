"""What becomes of published releases: taken back, rolled out, new keys, fresh signatures."""

from typing import Literal, Self

from prefect import flow
from pydantic import Field, model_validator

from tasks import manage_releases as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, require_one


class ManageReleases(FlowParameters):
    """Look after published releases.

    Exactly one of --withdraw, --promote, --roll-out, --rotate, --renew and --list-releases.
    """

    withdraw: str | None = Field(
        None, min_length=1, description="take this version back; devices go to another"
    )
    reason: str | None = Field(None, min_length=1, max_length=500, description="of withdraw")
    promote: str | None = Field(
        None, min_length=1, description="put this published version into the channel as it is"
    )
    roll_out: str | None = Field(
        None, min_length=1, description="let the share of the channel take this version"
    )
    name: str | None = Field(
        None,
        pattern=steps.NAME,
        description="of the release; by default the only one that has the version",
    )
    channel: Literal["stable", "canary"] = Field(
        "stable", description="that promote and roll_out are about"
    )
    share: float = Field(1.0, ge=0, le=1, description="of the channel's devices that may take it")
    rotate: Literal["root", "targets", "snapshot", "timestamp"] | None = Field(
        None, description="replace the keys of this role"
    )
    renew: bool = Field(False, description="sign again what would expire; meant for every day")
    list_releases: bool = Field(False, description="show what is published")

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        require_one(self, steps.ACTIONS)
        if (self.withdraw is None) != (self.reason is None):
            raise ValueError("withdraw and reason go together: say why a release is taken back")
        return self


@flow(name="manage-releases", flow_run_name=steps.name_run)
def manage_releases(params: ManageReleases) -> None:
    """Do the one thing that was asked for."""
    name, channel, share = params.name, params.channel, params.share
    if params.withdraw and params.reason:
        steps.withdraw(name, params.withdraw, params.reason)
    if params.promote:
        steps.promote(name, params.promote, channel, share)
    if params.roll_out:
        steps.roll_out(name, params.roll_out, channel, share)
    if params.rotate:
        steps.rotate(params.rotate)
    if params.renew:
        steps.renew()
    if params.list_releases:
        steps.list_releases()


COMMAND = FlowCommand(ManageReleases, manage_releases, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.manage_releases")
