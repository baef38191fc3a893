"""Register a fraud model that somebody already has, and say which of the models answers."""

from typing import Self

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks import register_fraud as steps
from tasks.orchestration.command_line import run_flow
from tasks.orchestration.local_path import LocalPath

_ACTIONS = ("model_file", "model", "rollback", "end_shadow", "unblock", "list_models")
_ORIGIN = ("model", "model_file", "threshold", "evaluate_on")


class RegisterFraud(BaseModel):
    """Package a Keras network for the service, or give a role to a model in the store.

    Exactly one of --model-file, --model, --rollback, --end-shadow, --unblock and --list-models.
    What --model-file or --model names becomes champion; with --shadow it scores along unheard.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_file: LocalPath | None = Field(
        None, description=".keras or .h5 file with a network from the 15 features to a probability"
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="from which probability on it is fraud, for model_file"
    )
    evaluate_on: LocalPath | None = Field(
        None,
        description="labelled transactions for model_file's figures, of which the last week"
        " tests; columns as in train_fraud",
    )
    model: str | None = Field(
        None, min_length=1, description="tag of a model in the store, or latest"
    )
    promote: bool = Field(True, description="make it champion")
    shadow: bool = Field(False, description="let it score along unheard, instead of promoting it")
    override_block: bool = Field(False, description="promote although an audit has blocked it")
    rollback: bool = Field(False, description="go back to the champion before")
    end_shadow: bool = Field(False, description="let no model score along any more")
    unblock: bool = Field(False, description="allow promotion again that an audit has blocked")
    list_models: bool = Field(False, description="show all models in the store")

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        chosen = [name for name in _ACTIONS if getattr(self, name)]
        if len(chosen) != 1:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in _ACTIONS)
            raise ValueError(f"give exactly one of {options}")
        if self.model_file and self.threshold is None:
            raise ValueError("a model file needs a threshold, such as --threshold 0.5")
        if not self.model_file and (self.threshold is not None or self.evaluate_on):
            raise ValueError("threshold and evaluate_on go with a model file alone")
        return self


@flow(name="register-fraud", flow_run_name=steps.name_run)
def register_fraud(params: RegisterFraud) -> str | None:
    """Package and register if it is a file, then give the model its role; its tag."""
    if params.list_models:
        return steps.list_models()
    if params.rollback:
        return steps.roll_back()
    if params.unblock:
        return steps.unblock()
    if params.end_shadow:
        return steps.end_shadow()
    tag = steps.obtain(**params.model_dump(include={*_ORIGIN}))
    steps.give_role(tag, params.promote, params.shadow, params.override_block)
    return steps.show(tag)


if __name__ == "__main__":
    run_flow(RegisterFraud, "python -m flows.register_fraud", register_fraud, steps.ERRORS)
