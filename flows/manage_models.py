"""Which fraud model answers: promoted, in the shadow, rolled back, checked, listed."""

from typing import Self

from prefect import flow
from pydantic import Field, model_validator

from tasks import manage_models as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, require_one


class ManageModels(FlowParameters):
    """Give roles to the fraud models in the store.

    Exactly one of --promote, --shadow, --check, --rollback, --end-shadow, --unblock, --list-models
    and --share. A model is named by its tag, or latest. The running service takes a new champion
    up within seconds.
    """

    promote: str | None = Field(None, min_length=1, description="make this model champion")
    override_block: bool = Field(False, description="promote although an audit has blocked it")
    new_contract: bool = Field(
        False, description="promote, or go back, although the model reads other features"
    )
    shadow: str | None = Field(None, min_length=1, description="let this model score along unheard")
    check: str | None = Field(
        None, min_length=1, description="show this model's figures, if it can answer"
    )
    rollback: bool = Field(False, description="go back to the champion before")
    end_shadow: bool = Field(False, description="let no model score along any more")
    unblock: bool = Field(False, description="allow promotion again that an audit has blocked")
    list_models: bool = Field(False, description="show all models in the store")
    share: bool = Field(
        False,
        description="copy this home's models, their roles and the history into the database that"
        " several machines share (TRIPTYCH_FRAUD_STATE_URL)",
    )

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        require_one(self, steps.ACTIONS)
        if self.override_block and not self.promote:
            raise ValueError("override_block goes with promote alone")
        if self.new_contract and not (self.promote or self.rollback):
            raise ValueError("new_contract goes with promote or rollback")
        return self


@flow(name="manage-models", flow_run_name=steps.name_run)
def manage_models(params: ManageModels) -> str | None:
    """Do the one thing that was asked for; the tag of the model that it was about."""
    if params.list_models:
        return steps.list_models()
    if params.rollback:
        return steps.roll_back(params.new_contract)
    if params.unblock:
        return steps.unblock()
    if params.end_shadow:
        return steps.end_shadow()
    if params.share:
        return steps.share()
    tag: str = steps.find(params.promote or params.shadow or params.check or "")
    if params.promote:
        steps.promote(tag, params.override_block, params.new_contract)
    elif params.shadow:
        steps.shadow(tag)
    else:
        steps.check(tag)
    return steps.show(tag)


COMMAND = FlowCommand(ManageModels, manage_models, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.manage_models")
