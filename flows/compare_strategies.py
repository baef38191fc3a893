"""One model in three ways: measured, priced, and a recommendation for what is required."""

from typing import Literal, Self

from prefect import flow
from pydantic import Field, model_validator

from tasks import compare_strategies as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, LocalPath


class CompareStrategies(FlowParameters):
    """Find out which way to deploy a model suits you: a night, a service, devices, or a mixture.

    Without options the fraud and the sentiment model are run in all three ways on this machine,
    after MLPerf's rules, priced, and put side by side on a page. With --requirements a ranking is
    given at once, by the last measurements in the home folder, or by rules where there are none.
    The exit status is 1 where nothing meets the requirements; the nearest is told then.
    """

    requirements: LocalPath | None = Field(
        None,
        description="YAML file of what is needed; tasks/comparison/examples has twenty of them",
    )
    measure: bool = Field(False, description="measure anew, also where requirements are given")
    models: tuple[Literal["fraud", "sentiment"], ...] = Field(
        ("fraud", "sentiment"), min_length=1, description="which are measured"
    )
    minutes: float = Field(8.0, gt=0, le=600, description="for all that is measured, about")
    seed: int = Field(1, ge=0, description="of the rows that are drawn, and of their arrivals")
    measurements: LocalPath | None = Field(
        None, description="comparison.json of an earlier run, instead of measuring"
    )
    prices: LocalPath | None = Field(
        None,
        description="YAML file of prices that differ from those of tasks/comparison/prices.yaml",
    )
    output: LocalPath | None = Field(
        None,
        description="folder of the page and the measurements; by default one in the home folder",
    )

    @model_validator(mode="after")
    def _measured_once(self) -> Self:
        if self.measure and self.measurements:
            raise ValueError("measurements are given: leave --measure or --measurements out")
        return self

    @property
    def measures(self) -> bool:
        """Whether anything is measured."""
        return self.measure or not (self.requirements or self.measurements)


@flow(name="compare-strategies", flow_run_name=steps.name_run)
def compare_strategies(params: CompareStrategies) -> steps.Outcome:
    """Read what is asked, measure if need be, recommend, report."""
    asked = steps.read_files(params)
    recorded = steps.measure(params) if params.measures else steps.find_figures(params)
    outcome: steps.Outcome = steps.report(params, asked, recorded)
    return outcome


COMMAND = FlowCommand(
    CompareStrategies,
    compare_strategies,
    steps.ERRORS,
    check=steps.read_files,
    at_once=steps.answer_at_once,
    status=steps.status_of,
)

if __name__ == "__main__":
    COMMAND.run("python -m flows.compare_strategies")
