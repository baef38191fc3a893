"""Package and register a fraud model that somebody already has."""

from collections.abc import Mapping
from typing import Any, Self

from prefect import flow
from pydantic import Field, model_validator

from tasks import manage_models as models
from tasks import register_fraud as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, LocalPath
from tasks.orchestration.transaction_files import (
    Columns,
    DecimalMark,
    Decimals,
    Delimiter,
    Refunds,
    TimeStart,
    require_file,
)


class RegisterFraud(FlowParameters):
    """Package a Keras network for the service, and make it champion.

    With --shadow it scores along unheard. A role is given to a model that is in the store already
    by manage_models.
    """

    moved_to = "manage_models"
    moved = ("model", "rollback", "end_shadow", "unblock", "list_models")

    model_file: LocalPath = Field(
        description=".keras or .h5 file with a network from a row of numbers to a probability"
    )
    threshold: float = Field(ge=0, le=1, description="from which probability on it is fraud")
    evaluate_on: LocalPath | None = Field(
        None,
        description="labelled transactions for the model's figures, of which the last week tests;"
        " columns as in train_fraud",
    )
    columns: Columns = None
    time_start: TimeStart = None
    delimiter: Delimiter = None
    decimal_mark: DecimalMark = None
    decimals: Decimals = 2
    refunds: Refunds = "refuse"
    features: str | None = Field(
        None,
        min_length=1,
        description="'handbook' for the 15 features that the service computes, or a file with the"
        " names of the network's own, in its order",
    )
    scaling: LocalPath | None = Field(
        None,
        description=".json, .csv or .npz file with mean and scale, or min and max, of each feature:"
        " it becomes a part of the model",
    )
    output: str | None = Field(
        None,
        min_length=1,
        description="which of several outputs, by name or number, and what it is: sigmoid, logit or"
        " softmax; such as fraud:logit",
    )
    positive_class: int | None = Field(
        None, ge=0, description="which of the network's classes is fraud, from 0"
    )
    known: LocalPath | None = Field(
        None,
        description="CSV file of rows, with the probability where it is known, that the model has"
        " to answer rightly wherever it runs; by default they are made up",
    )
    promote: bool = Field(True, description="make it champion")
    shadow: bool = Field(False, description="let it score along unheard, instead of promoting it")
    override_block: bool = Field(False, description="promote although an audit has blocked it")
    new_contract: bool = Field(
        False, description="promote although it reads other features than the champion"
    )

    @model_validator(mode="after")
    def _refuse_options_without_their_file(self) -> Self:
        require_file(self, "evaluate_on")
        return self

    @classmethod
    def renamed(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was done with --model has an option of its own for each role."""
        options = dict(super().renamed(given))
        if tag := options.pop("model", None):
            promoted = given.get("promote", True) and not given.get("no_promote")
            role = "shadow" if given.get("shadow") else "promote" if promoted else "check"
            options = {role: tag, **options}
            if role == "promote":
                options["override_block"] = given.get("override_block")
        return options


@flow(name="register-fraud", flow_run_name=steps.name_run)
def register_fraud(params: RegisterFraud) -> str:
    """Package, put into the store, give the model its role, show it; its tag."""
    tag: str = steps.register(
        params.model_file,
        params.threshold,
        params.evaluate_on,
        steps.reading(params),
        features=params.features,
        scaling=params.scaling,
        output=params.output,
        positive_class=params.positive_class,
        known=params.known,
    )
    if params.shadow:
        models.shadow(tag)
    elif params.promote:
        models.promote(tag, params.override_block, params.new_contract)
    return models.show(tag)


COMMAND = FlowCommand(RegisterFraud, register_fraud, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.register_fraud")
