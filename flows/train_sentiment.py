"""Train the bundled sentiment model from labelled reviews."""

from pathlib import Path

from prefect import flow
from pydantic import Field

from tasks import train_sentiment as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, LocalPath


class TrainSentiment(FlowParameters):
    """Train a small sentiment model from random weights on labelled reviews.

    Run it again with the same parameters to go on after an interruption. A GPU is used where
    there is one.
    """

    data: LocalPath = Field(
        description="folder of Parquet files with the columns text, label (0 or 1) and,"
        " optionally, split; a file's name is the data set's"
    )
    output: LocalPath | None = Field(
        None, description="the model's folder; by default under TRIPTYCH_HOME/models"
    )
    report_only: tuple[str, ...] = Field(
        ("sst2_dev",), description="data sets that are evaluated and never trained on"
    )
    seed: int = Field(20261122, ge=0, description="of everything that is drawn")


@flow(name="train-sentiment", flow_run_name=steps.name_run)
def train_sentiment(params: TrainSentiment) -> Path:
    """Read the data, train, calibrate, evaluate and save the model with its card."""
    folder: Path = steps.train(**dict(params))
    return folder


COMMAND = FlowCommand(TrainSentiment, train_sentiment, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.train_sentiment")
