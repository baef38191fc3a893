"""A training from its images to a model folder, step by step.

Everything lies in two folders: the state of the training, which is found again by what it is made
of, and the finished model.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from edge_detector.inference.boxes import Detection

from edge.release.datasets.annotations import Dataset, read_dataset, read_split
from edge.release.errors import DatasetError, ModelFileError
from edge.release.exclusive import alone
from edge.release.training.augmentation import Augmentation
from edge.release.training.batches import Batches
from edge.release.training.card import CARD_FILE, LABELS_FILE, MODEL_FILE, Card
from edge.release.training.detection import open_network
from edge.release.training.history import History, Precision, read_history
from edge.release.training.network import Shape
from edge.release.training.trainer import Recipe, Trainer
from edge.release.validation.evaluate import Evaluation, compare
from services.modelling.keras import repeatable
from services.storage.files import ASIDE, sync_file, sync_folder

VAL_SCENES = 300
_VALIDATIONS = 10  # over a training
_FORMAT = 1  # of the state; another one starts anew
_PARTIAL = ".partial"  # what is not whole yet
# The last is what a report left that an earlier version did not finish.
_OWN_FILES = {MODEL_FILE, LABELS_FILE, CARD_FILE, "report.html", _PARTIAL, "report.partial"}


@dataclass(frozen=True)
class Plan:
    """What is trained, and on what."""

    shape: Shape
    recipe: Recipe
    augmentation: Augmentation
    batch: int
    train: Dataset
    val: Dataset

    @property
    def fingerprint(self) -> str:
        """The same for the same training."""
        parts = [_FORMAT, self.train.digest, self.val.digest, self.batch]
        parts += [asdict(part) for part in (self.shape, self.recipe, self.augmentation)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Trained:
    """The finished training."""

    network: Any
    evaluation: Evaluation
    found: Sequence[Sequence[Detection]]  # per validation image, the unsure ones too
    history: History


def read_images(
    folder: Path, labels: Sequence[str] | None, hold_out: float, seed: int
) -> tuple[Dataset, Dataset]:
    """The images to train on and those to validate with.

    hold_out: share that is drawn by the seed for validation where the folder has no `val`.

    Raises:
        DatasetError: the folder cannot be read, or there are too few images.
    """
    train, val = read_split(folder, labels)
    if val is None:
        held = max(1, round(hold_out * len(train)))
        if held >= len(train):
            raise DatasetError(f"{folder} has {len(train)} labelled image: two or more are needed")
        val = train.subset(held, seed)
        kept = {image.path for image in val.images}
        train = _without(train, kept)
    return train, val


def render_images(folder: Path, scenes: int, seed: int) -> tuple[Dataset, Dataset]:
    """Render conveyor scenes to train on and to validate with, once for each seed and number."""
    from edge.release.synthetic.scenes import write_once

    train, val = folder / f"train-{scenes}-{2 * seed + 1}", validation_scenes(folder, seed)
    return (
        read_dataset(write_once(train, scenes, 2 * seed + 1)),
        read_dataset(write_once(val, VAL_SCENES, 2 * seed + 2)),
    )


def validation_scenes(folder: Path, seed: int) -> Path:
    """Where `render_images` puts what it validates with."""
    return folder / f"val-{VAL_SCENES}-{2 * seed + 2}"


def fit(plan: Plan, state: Path, advance: Callable[[int], object]) -> Trained:
    """Train, with ten validations on the way; go on where a stopped run left off.

    advance: told how many steps are done.

    Raises:
        DatasetError: an image cannot be read any more.
        ModelFileError: the checkpoint is not one of this training.
    """
    shape, recipe = plan.shape, plan.recipe
    batches = Batches(
        plan.train, shape.height, shape.width, plan.batch, plan.augmentation, recipe.seed
    )
    with repeatable(recipe.seed):
        trainer = Trainer(shape, recipe, batches, state / "checkpoint.npz")
        return _fit(trainer, plan, state / "log.json", advance)


def _fit(trainer: Trainer, plan: Plan, log: Path, advance: Callable[[int], object]) -> Trained:
    history = read_history(log, trainer.step)
    advance(trainer.step)

    def note(step: int, classes: float, boxes: float) -> None:
        history.note_losses(step, classes, boxes)
        advance(step)

    detect = open_network(trainer.network, plan.shape, plan.val)
    found: Sequence[Sequence[Detection]] = ()
    evaluation: Evaluation | None = None
    steps = plan.recipe.steps
    for stop in sorted({round(steps * k / _VALIDATIONS) for k in range(1, _VALIDATIONS + 1)}):
        if stop <= trainer.step and stop < steps:
            continue
        trainer.run(stop, note)
        found = [detect(image.read()) for image in plan.val.images]
        evaluation = compare(found, plan.val)
        history.precisions.append(Precision(stop, evaluation.map_50, evaluation.map_50_95))
        history.write(log)
    if evaluation is None:
        raise ModelFileError("a training needs at least one step")
    return Trained(trainer.network, evaluation, found, history)


def package(
    plan: Plan, trained: Trained, name: str, data: str, folder: Path, code: str, at: datetime
) -> Card:
    """Write the model, its labels and its card into a folder, in place of what was there.

    The caller holds the folder (`held_output`) if others may write there.

    Raises:
        ModelFileError: the folder holds something else.
    """
    check_output(folder)
    evaluation = trained.evaluation
    card = Card(
        name=name,
        labels=plan.train.labels,
        height=plan.shape.height,
        width=plan.shape.width,
        weights=int(trained.network.count_params()),
        data=data,
        data_digest=plan.train.digest,
        train_images=len(plan.train),
        steps=plan.recipe.steps,
        recipe={
            **asdict(plan.recipe),
            "batch": plan.batch,
            "channels": plan.shape.channels,
            "augmentation": asdict(plan.augmentation),
        },
        val_images=len(plan.val),
        map_50=evaluation.map_50,
        map_50_95=evaluation.map_50_95,
        per_label=evaluation.per_label,
        thresholds=evaluation.thresholds,
        trained_at=at.isoformat(timespec="seconds"),
        code_version=code,
    )
    partial = folder / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _save(trained.network, partial / MODEL_FILE)
    card.write(partial)
    for file in partial.iterdir():
        sync_file(file)
        file.replace(folder / file.name)
    partial.rmdir()
    sync_folder(folder)
    return card


@contextmanager
def held_state(folder: Path) -> Iterator[None]:
    """Keep other processes from the same training; its folder is made if need be.

    Raises:
        ModelFileError: another process trains the same at the moment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "training.lock", f"trains the same at the moment, in {folder}"):
        yield


@contextmanager
def held_output(folder: Path) -> Iterator[None]:
    """Keep other trainings from writing their model into a folder, which is made if need be.

    Raises:
        ModelFileError: one writes there at the moment, or the folder holds something else.
    """
    check_output(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder, f"writes its model into {folder} at the moment"):
        yield


def _save(network: Any, file: Path) -> None:
    """A .keras file, compressed: Keras itself only stores."""
    stored = file.with_name("stored.keras")
    network.save(stored)
    with ZipFile(stored) as source, ZipFile(file, "w", ZIP_DEFLATED, compresslevel=9) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    stored.unlink()


def check_output(folder: Path) -> None:
    """Refuse a folder that holds something else than a model of ours.

    Raises:
        ModelFileError: it does.
    """
    if folder.exists() and (
        not folder.is_dir() or any(not _is_ours(file.name) for file in folder.iterdir())
    ):
        raise ModelFileError(
            f"{folder} holds other things than a detector; name a new folder with --output"
        )


def _is_ours(name: str) -> bool:
    return name in _OWN_FILES or name.startswith(ASIDE)


def _without(dataset: Dataset, paths: set[Path]) -> Dataset:
    images = tuple(image for image in dataset.images if image.path not in paths)
    names = "".join(str(image.path.name) for image in images)
    digest = hashlib.sha256(f"{dataset.digest} {names}".encode()).hexdigest()
    return replace(dataset, images=images, digest=digest)
