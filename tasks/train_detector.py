"""The task module of `train_detector`: plain functions of edge.release, run as tasks.

TensorFlow, OpenCV and Matplotlib are loaded by the steps that need them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import task

from edge.release import naming
from edge.release.errors import PublisherError
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.orchestration.reporting import (
    add_markdown,
    add_table,
    print_notice,
    print_result,
    run_parameters,
)
from tasks.settings import Settings

if TYPE_CHECKING:
    from edge.release.datasets.annotations import Dataset
    from edge.release.training.card import Card

ERRORS = (PublisherError,)
NAME = naming.NAME  # pattern
RENDERED = "triptych-parts"


@dataclass
class Job:
    """All that the steps need to know, and what they find on the way."""

    home: Path
    dataset: Path | None
    labels: tuple[str, ...]
    name: str
    output: Path
    scenes: int
    hold_out: float
    height: int
    width: int
    channels: int
    steps: int
    batch: int
    learning_rate: float
    scale: float
    mosaic: float
    any_orientation: bool
    seed: int
    images: list[Dataset] = field(default_factory=list)

    @property
    def data(self) -> str:
        """What was trained on, in words."""
        return str(self.dataset) if self.dataset else "rendered scenes of parts on a conveyor"


def name_run() -> str:
    """The run's name in the UI: flow and data."""
    given = run_parameters()
    return f"train-detector {Path(given['dataset']).name if given.get('dataset') else RENDERED}"


def open_job(
    *,
    dataset: Path | None,
    labels: tuple[str, ...],
    name: str | None,
    output: Path | None,
    scenes: int,
    hold_out: float,
    height: int,
    width: int,
    channels: int,
    steps: int,
    batch: int,
    learning_rate: float,
    scale: float,
    mosaic: float,
    any_orientation: bool,
    seed: int,
) -> Job:
    """What is trained, and where it will lie."""
    home = Settings().home
    name = name or (naming.fitting_name(dataset.resolve().name) if dataset else RENDERED)
    return Job(
        home=home,
        dataset=dataset,
        labels=labels,
        name=name,
        output=(output or home / "detectors" / name).resolve(),
        scenes=scenes,
        hold_out=hold_out,
        height=height,
        width=width,
        channels=channels,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        scale=scale,
        mosaic=mosaic,
        any_orientation=any_orientation or dataset is None,
        seed=seed,
    )


@task(**PLAIN)
def gather(job: Job) -> None:
    """Read the labelled images, or render scenes."""
    from edge.release.training.training_run import check_output, read_images, render_images

    check_output(job.output)  # told before the wait
    if job.dataset is None:
        print_notice(f"rendering {job.scenes:,} scenes, unless they are there")
        images = render_images(job.home / "detectors" / "scenes", job.scenes, job.seed)
    else:
        images = read_images(job.dataset, job.labels or None, job.hold_out, job.seed)
    job.images.extend(images)
    train, val = images
    print_notice(f"{len(train):,} images to train on, {len(val):,} to validate with")
    for warning in (*train.warnings, *val.warnings):
        print_notice(f"note: {warning}")


@task(**PLAIN)
def train(job: Job) -> Path:
    """Train, package, report; the model's folder."""
    from edge.release.training.augmentation import Augmentation
    from edge.release.training.network import Shape
    from edge.release.training.report import write_report
    from edge.release.training.trainer import Recipe
    from edge.release.training.training_run import Plan, fit, held_output, held_state, package
    from services.modelling.provenance import code_version

    plan = Plan(
        Shape(job.height, job.width, job.channels),
        Recipe(job.steps, job.learning_rate, seed=job.seed),
        Augmentation(job.scale, any_orientation=job.any_orientation, mosaic=job.mosaic),
        job.batch,
        *job.images,
    )
    state = job.home / "detectors" / "training" / plan.fingerprint
    with held_state(state):
        bars: list[RunProgress] = []

        def advance(step: int) -> None:
            if bars:
                bars[0].advance(1)
            else:  # told first where it goes on
                bar = RunProgress("train-detector-progress", "training", "steps", job.steps, step)
                bars.append(bar.__enter__())

        try:
            trained = fit(plan, state, advance)
        finally:
            for bar in bars:
                bar.__exit__(None, None, None)
        now = datetime.now(UTC)
        with held_output(job.output):
            card = package(plan, trained, job.name, job.data, job.output, code_version(), now)
            write_report(job.output / "report.html", plan, trained, card)
    add_table("train-detector", _table(card), description=str(job.output))
    add_markdown("train-detector-report", _text(job, card))
    print_result(_text(job, card))
    return job.output


def _table(card: Card) -> list[dict[str, object]]:
    return [
        {"label": label, "AP@0.5": round(ap, 4), "threshold": card.thresholds.get(label)}
        for label, ap in card.per_label.items()
    ]


def _text(job: Job, card: Card) -> str:
    labels = ", ".join(f"{label} {ap:.3f}" for label, ap in card.per_label.items())
    return (
        f"{card.name}: mAP@0.5 {card.map_50:.3f}, mAP@[.5:.95] {card.map_50_95:.3f}"
        f" on {card.val_images:,} images ({labels}); {card.weights:,} weights\n"
        f"model: {job.output}\n"
        f"report: {job.output / 'report.html'}"
    )
