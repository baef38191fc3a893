"""What is old goes: nights, answers, models that play no role, reports."""

from prefect import flow
from pydantic import AliasChoices, Field

from tasks import prune as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters

_MOST_DAYS = 36_500


class Prune(FlowParameters):
    """Show what is older than it has to be kept, and delete it with --yes.

    Never the newest nights of a source, what SQL says of a review, a model that plays a role or was
    champion, releases, or what TRIPTYCH_HOME/legal-hold.txt names.
    """

    delete: bool = Field(
        False,
        description="delete what would go",
        validation_alias=AliasChoices("delete", "yes"),  # the form and YAML know the first
    )
    nights_days: int = Field(730, ge=1, le=_MOST_DAYS, description="of published nights")
    nights_keep: int = Field(30, ge=2, description="newest nights of each source, at least")
    taken_back_days: int = Field(
        90, ge=1, le=_MOST_DAYS, description="of nights that were taken back, since then"
    )
    answers_days: int = Field(
        400, ge=60, le=_MOST_DAYS, description="of the fraud service's answers and their labels"
    )
    models_days: int = Field(
        180, ge=1, le=_MOST_DAYS, description="of fraud models that play no role"
    )
    models_keep: int = Field(5, ge=1, description="newest fraud models, at least")
    reports_days: int = Field(400, ge=1, le=_MOST_DAYS, description="of reports")
    reports_keep: int = Field(10, ge=1, description="newest reports of each panel, at least")


@flow(name="prune", flow_run_name=steps.name_run)
def prune(params: Prune) -> None:
    """Find what is old, and delete it if that is asked for."""
    steps.prune(params)


COMMAND = FlowCommand(Prune, prune, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.prune")
