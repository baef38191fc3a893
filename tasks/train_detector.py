"""The task module of `train_detector`: plain functions of edge.release, run as tasks.

TensorFlow, OpenCV and Matplotlib are loaded by the steps that need them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import task

from edge.release import naming
from edge.release.errors import PublisherError
from services.reporting.markdown import escape
from tasks.operations.lineage.made import remember_detector
from tasks.orchestration.policies import PLAIN
from tasks.orchestration.progress import resumed_progress
from tasks.orchestration.reporting import (
    NEW_DETECTOR,
    add_markdown,
    add_table,
    announce,
    run_parameters,
)
from tasks.orchestration.terminal import print_notice, print_result
from tasks.settings import Settings

if TYPE_CHECKING:
    from edge.release.datasets.annotations import Dataset
    from edge.release.training.card import Card

ERRORS = (PublisherError,)
NAME = naming.NAME  # pattern
RENDERED = "triptych-parts"


@dataclass
class TrainingRun:
    """All that the steps need to know, and what they find on the way.

    params: the flow's TrainDetector.
    """

    home: Path
    params: Any
    name: str
    output: Path
    images: list[Dataset] = field(default_factory=list)

    @property
    def data(self) -> str:
        """What was trained on, in words."""
        return (
            str(self.params.dataset)
            if self.params.dataset
            else "rendered scenes of parts on a conveyor"
        )


def name_run() -> str:
    """The run's name in the UI: flow and data."""
    given = run_parameters()
    return f"train-detector {Path(given['dataset']).name if given.get('dataset') else RENDERED}"


def open_run(params: Any) -> TrainingRun:
    """What is trained, and where it will lie. params: the flow's TrainDetector."""
    home, name = Settings().home, params.name
    if name is None:
        dataset = params.dataset
        name = naming.fitting_name(dataset.resolve().name) if dataset else RENDERED
    output = (params.output or home / "detectors" / name).resolve()
    return TrainingRun(home, params, name, output)


@task(**PLAIN)
def gather(run: TrainingRun) -> None:
    """Read the labelled images, or render scenes."""
    from edge.release.training.training_run import check_output, read_images, render_images

    check_output(run.output)  # told before the wait
    if run.params.dataset is None:
        print_notice(f"rendering {run.params.scenes:,} scenes, unless they are there")
        images = render_images(
            run.home / "detectors" / "scenes", run.params.scenes, run.params.seed
        )
    else:
        images = read_images(
            run.params.dataset, run.params.labels or None, run.params.hold_out, run.params.seed
        )
    run.images.extend(images)
    train, val = images
    print_notice(f"{len(train):,} images to train on, {len(val):,} to validate with")
    for warning in (*train.warnings, *val.warnings):
        print_notice(f"note: {warning}")


@task(**PLAIN)
def train(run: TrainingRun) -> Path:
    """Train, package, report; the model's folder."""
    from edge.release.training.augmentation import Augmentation
    from edge.release.training.card import MODEL_FILE
    from edge.release.training.network import Shape
    from edge.release.training.report import write_report
    from edge.release.training.trainer import Recipe
    from edge.release.training.training_run import Plan, fit, held_output, held_state, package
    from services.modelling.provenance import code_version

    plan = Plan(
        Shape(run.params.height, run.params.width, run.params.channels),
        Recipe(run.params.steps, run.params.learning_rate, seed=run.params.seed),
        Augmentation(
            run.params.scale,
            any_orientation=run.params.any_orientation or run.params.dataset is None,
            mosaic=run.params.mosaic,
        ),
        run.params.batch,
        *run.images,
    )
    state = run.home / "detectors" / "training" / plan.fingerprint
    with held_state(state):
        with resumed_progress("train-detector-progress", "training", "steps") as reach:
            trained = fit(plan, state, lambda step: reach(step, plan.recipe.steps))
        now = datetime.now(UTC)
        with held_output(run.output):
            card = package(plan, trained, run.name, run.data, run.output, code_version(), now)
            write_report(run.output / "report.html", plan, trained, card)
            asked = run.params.model_dump(mode="json")
            remember_detector(run.home, run.output / MODEL_FILE, asdict(card), asked)
    add_table("train-detector", _table(card), description=str(run.output))
    lines = _describe(run, card)
    add_markdown("train-detector-report", "\n".join(escape(line, 10_000) for line in lines))
    print_result("\n".join(lines))
    return run.output


def announce_model(run: TrainingRun, model: Path) -> None:
    """Tell of the new detector, with what its publication takes, for devices of the canary."""
    from edge.release.training.card import MODEL_FILE
    from edge.release.training.training_run import validation_scenes

    scenes = validation_scenes(run.home / "detectors" / "scenes", run.params.seed)
    publication = {
        "model": str(model / MODEL_FILE),
        "evaluate_on": str((run.params.dataset or scenes).resolve()),
        "channel": "canary",
    }
    announce(NEW_DETECTOR, run.name, publication=publication)


def _table(card: Card) -> list[dict[str, object]]:
    return [
        {"label": label, "AP@0.5": round(ap, 4), "threshold": card.thresholds.get(label)}
        for label, ap in card.per_label.items()
    ]


def _describe(run: TrainingRun, card: Card) -> tuple[str, ...]:
    labels = ", ".join(f"{label} {ap:.3f}" for label, ap in card.per_label.items())
    return (
        f"{card.name}: mAP@0.5 {card.map_50:.3f}, mAP@[.5:.95] {card.map_50_95:.3f}"
        f" on {card.val_images:,} images ({labels}); {card.weights:,} weights",
        f"model: {run.output}",
        f"report: {run.output / 'report.html'}",
    )
