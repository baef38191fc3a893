"""The pictures that a model is measured, calibrated and remembered by."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.release.datasets.annotations import Dataset, read_dataset, read_split
from edge.release.datasets.pictures import (
    Image,
    describe_notes,
    image_files,
    open_picture,
    read_bytes,
    read_image,
    what_is_there,
)
from edge.release.errors import DatasetError
from edge.release.publishing.request import Request
from edge.release.synthetic.scenes import write_once

# Trainings draw their scenes from seeds up to two million.
_EVALUATION_SEED, _CALIBRATION_SEED = 4_000_001, 4_000_002
_CALIBRATION = 100  # pictures; more move the ranges of int8 no further
_GOLDEN_CANDIDATES = 40  # pictures among which golden ones are chosen
_SAMPLE = 8  # pictures by which a model is inspected
MAX_GOLDEN = 8  # of a folder that was given


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a publishing, by purpose.

    golden: given by the publisher, to be taken as they are; empty: to be chosen among
    `golden_candidates`.
    """

    dataset: Dataset | None
    calibration: tuple[Path, ...]
    golden_candidates: tuple[Path, ...]
    golden: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    evaluated_on: str = ""  # which part of which folder, and how many images

    def sample(self) -> list[Image]:
        """A few pictures, to look at what a model answers; where there are few, also of those
        that int8 finds its ranges by."""
        paths = _spread(self.golden or self.golden_candidates, _SAMPLE)
        more = [path for path in self.calibration if path not in paths]
        return [read_image(path) for path in (*paths, *_spread(more, _SAMPLE - len(paths)))]


def find_images(request: Request, folder: Path) -> Images:
    """Find the pictures; render scenes for the bundled model where none are given.

    Labelled are `--evaluate-on`, of which `val`, else `test`, is used if it keeps one apart; int8
    finds its ranges by `--calibrate-on`, else by the `train` of the same folder, else by what it is
    evaluated on, else by the golden pictures.

    Args:
        request: what was asked for.
        folder: where scenes may be rendered to.

    Raises:
        DatasetError: a folder cannot be read, or there is none at all.
    """
    train: Dataset | None = None
    dataset: Dataset | None = None
    rendered: tuple[Path, ...] = ()
    if request.evaluate_on is not None:
        first, apart = read_split(request.evaluate_on, apart=("val", "test"))
        train, dataset = (None, first) if apart is None else (first, apart)
    elif request.is_bundled:
        dataset = read_dataset(_rendered(folder / "scenes", request.scenes, _EVALUATION_SEED))
        rendered = _pictures(_rendered(folder / "calibration", _CALIBRATION, _CALIBRATION_SEED))
    golden = _pictures(request.golden) if request.golden else ()
    labelled = tuple(image.path for image in dataset.images) if dataset else ()
    if not golden and not labelled:
        raise DatasetError(
            f"there is nothing to validate {request.path.name} on; give labelled images by"
            " --evaluate-on, or at least a few pictures by --golden"
        )
    if request.calibrate_on:
        calibration = _pictures(request.calibrate_on)
    elif train is not None:
        calibration = tuple(image.path for image in train.images)
    else:
        calibration = rendered or labelled or golden
    return Images(
        dataset=dataset,
        calibration=_spread(calibration, _CALIBRATION),
        golden_candidates=_spread(golden or labelled, _GOLDEN_CANDIDATES),
        golden=golden if len(golden) <= MAX_GOLDEN else (),
        warnings=(*_describe_dataset(dataset), *_oddities(golden)),
        evaluated_on=_describe_place(request, dataset),
    )


def _rendered(folder: Path, count: int, seed: int) -> Path:
    return write_once(folder / f"{count}-{seed}", count, seed)


def _pictures(folder: Path) -> tuple[Path, ...]:
    found = tuple(image_files(folder)) if folder.is_dir() else ()
    if not found:
        fault = what_is_there(folder) if folder.is_dir() else "there is no such folder"
        raise DatasetError(f"{folder} holds no pictures: {fault}")
    return found


def _describe_dataset(dataset: Dataset | None) -> tuple[str, ...]:
    if dataset is None:
        return ()
    if dataset.part != "train":
        return dataset.warnings
    learnt = (
        "measured on train, as neither val nor test is there: what a model was trained on says"
        " nothing of how often it is right"
    )
    return (learnt, *dataset.warnings)


def _describe_place(request: Request, dataset: Dataset | None) -> str:
    if dataset is None:
        return ""
    place = str(request.evaluate_on or "rendered scenes")
    if dataset.part:
        place = f"{dataset.part} of {place}"
    return f"{place}: {len(dataset)} images"


def _oddities(paths: Sequence[Path]) -> list[str]:
    """What is odd about given pictures; of very many, about those that may become golden."""
    looked_at = _spread(paths, _GOLDEN_CANDIDATES)
    return describe_notes((path, open_picture(path, read_bytes(path)).notes) for path in looked_at)


def _spread(paths: Sequence[Path], most: int) -> tuple[Path, ...]:
    """At most so many, evenly from the first to the last."""
    if len(paths) <= most:
        return tuple(paths)
    return tuple(paths[place] for place in np.linspace(0, len(paths) - 1, most).astype(int))
