"""Train an object detector on labelled images, or on rendered scenes of a conveyor."""

from pathlib import Path

from prefect import flow
from pydantic import Field, field_validator

from tasks import train_detector as steps
from tasks.orchestration.command_line import FlowCommand
from tasks.orchestration.parameters import FlowParameters, LocalPath


class TrainDetector(FlowParameters):
    """Train a compact detector from random weights, and report how good it is.

    Without --dataset it learns to find parts on a conveyor that are rendered for it. Run the same
    command again to go on after an interruption.
    """

    dataset: LocalPath | None = Field(
        None,
        description="folder of images with Pascal VOC, COCO or YOLO annotations, best with train"
        " and val in it",
    )
    labels: tuple[str, ...] = Field(
        (), description="the order of the classes; by default that of the annotations"
    )
    name: str | None = Field(
        None,
        pattern=steps.NAME,
        description="of the model; by default the folder's, or triptych-parts",
    )
    output: LocalPath | None = Field(
        None, description="folder for the model; by default detectors/NAME in TRIPTYCH_HOME"
    )
    scenes: int = Field(4_000, ge=10, le=100_000, description="that are rendered without --dataset")
    hold_out: float = Field(
        0.2, gt=0, lt=1, description="share of the images to validate with, if there is no val"
    )
    height: int = Field(288, ge=64, le=1_024, description="of the input in pixels, times 32")
    width: int = Field(384, ge=64, le=1_024, description="of the input in pixels, times 32")
    channels: int = Field(
        16, ge=4, le=64, description="of the first layer: 16 makes 0.9 million weights, 24 2.1"
    )
    steps: int = Field(4_000, ge=10, le=1_000_000, description="of training")
    batch: int = Field(16, ge=1, le=256, description="images a step")
    learning_rate: float = Field(1.5e-3, gt=0, le=1, description="at its highest")
    scale: float = Field(1.3, ge=1, le=4, description="factor by which objects vary in size")
    mosaic: float = Field(0.25, ge=0, le=1, description="share of images composed of four")
    any_orientation: bool = Field(
        False,
        description="things look the same upside down and on their side, as under a microscope;"
        " always so for the rendered parts",
    )
    seed: int = Field(0, ge=0, le=1_000_000, description="of everything that is drawn")

    @field_validator("height", "width")
    @classmethod
    def _whole_grid(cls, side: int) -> int:
        if side % 32:
            raise ValueError(f"use a multiple of 32, such as {32 * max(2, round(side / 32))}")
        return side


@flow(name="train-detector", flow_run_name=steps.name_run)
def train_detector(params: TrainDetector) -> Path:
    """Gather images, train, package, report; the model's folder."""
    run = steps.open_run(params)
    steps.gather(run)
    model = steps.train(run)
    steps.announce_model(run, model)
    return model


COMMAND = FlowCommand(TrainDetector, train_detector, steps.ERRORS)

if __name__ == "__main__":
    COMMAND.run("python -m flows.train_detector")
