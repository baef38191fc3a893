"""Which classes a model answers with, in which of its tensors, and whether one is background.

Where boxes, scores and classes are bytes of one table, they share its scale: a step that is small
beside pixels or many classes is large beside scores.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from edge_detector.contract.manifest import InputSpec, Layout
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.answers import CLEAR, END_TO_END
from edge.release.conversion.exporter import read_exporter_notes
from edge.release.conversion.opened_model import OpenedModel
from edge.release.conversion.shapes import SSD, Roles, possible_layouts
from edge.release.datasets.label_names import is_background
from edge.release.errors import ModelFileError

_COARSE = 0.1  # a step, of scores in 0..1


def refuse_coarse(model: OpenedModel) -> None:
    """Raises: ModelFileError: its one output is in steps of 1 or more, which leaves no scores."""
    info = model.outputs[0]
    if len(model.outputs) == 1 and len(info.shape) == 3 and info.quantised and info.scale >= 1:
        raise _coarse(model, info, "scores lie")


def check_step(
    model: OpenedModel, layout: Layout, info: TensorInfo, *, normalised: bool
) -> str | None:
    """Whether one scale leaves room for boxes, scores and classes.

    info: the one output.

    Returns:
        What to say of it.

    Raises:
        ModelFileError: it does not.
    """
    if not info.quantised or info.scale <= _COARSE:
        return None
    if layout == "end_to_end" and normalised:
        raise _coarse(model, info, "scores and boxes lie")
    return (
        f"Its boxes and scores are bytes of one scale, so that scores come in steps of"
        f" {info.scale:.2g}. Exported as float16 or float32, or with boxes from 0 to 1, it would"
        " say more."
    )


def _coarse(model: OpenedModel, info: TensorInfo, what: str) -> ModelFileError:
    return ModelFileError(
        f"{model.file} answers {info.name} {list(info.shape)}: boxes, scores and classes as bytes"
        f" of one scale, whose step is {info.scale:.2g}, and {what} between 0 and 1. They are lost:"
        " export it as float16 or float32, or so that scores have a scale of their own, as without"
        " its last step (of Ultralytics: nms=False, end2end=False)"
    )


def find_pair(model: OpenedModel, spec: InputSpec) -> dict[str, TensorInfo]:
    """Classes and scores of ssd by what is answered: classes are whole numbers, scores fall.

    Raises:
        ModelFileError: the answers do not tell.
    """
    pair = [info for info in model.outputs if len(info.shape) == 2]
    answers = model.answers(spec)
    whole = [info for info in pair if all((answer[info.name] % 1 == 0).all() for answer in answers)]
    if len(whole) != 1:
        raise ModelFileError(
            f"{model.file}: it cannot be told which of {pair[0].name} and {pair[1].name} are"
            f" classes and which scores; name the outputs as {SSD} does, or give pictures in which"
            " it finds something"
        )
    scores = next(info for info in pair if info is not whole[0])
    falling = (pairwise(answer[scores.name][0].tolist()) for answer in answers)
    if not all(a >= b for pairs in falling for a, b in pairs):
        raise ModelFileError(f"{model.file}: {scores.name} are no scores, which would fall")
    return {"classes": whole[0], "scores": scores}


def highest_class(model: OpenedModel, spec: InputSpec, roles: Roles, score: float) -> int:
    """The highest class with such a score in any picture; -1 where there is none.

    roles: of ssd or end_to_end.
    """
    highest = -1
    for answer in model.answers(spec):
        if "detections" in roles:
            rows = answer[roles["detections"].name][0]
            scores, classes = rows[:, END_TO_END.score], rows[:, END_TO_END.class_id]
        else:
            scores, classes = (answer[roles[role].name][0] for role in ("scores", "classes"))
        classes = classes[(scores >= score) & np.isfinite(classes)]
        highest = max(highest, round(float(classes.max())) if len(classes) else -1)
    return highest


def check_classes(model: OpenedModel, spec: InputSpec, roles: Roles, labels: Sequence[str]) -> None:
    """Raises: ModelFileError: a picture is answered with a class that has no label."""
    if not model.pictures:
        return
    highest = highest_class(model, spec, roles, -np.inf)
    if highest >= len(labels):
        known = f"there are {len(labels)} labels" if len(labels) > 1 else "there is 1 label"
        raise ModelFileError(
            f"{model.file} answers with class {highest}, but {known}; the labels belong to another"
            " model"
        )


def without_uncounted(
    model: OpenedModel, labels: Sequence[str], named: Layout | None, finished: bool | None
) -> tuple[Sequence[str], str | None]:
    """The labels without a background that is one name too many for the shapes.

    named, finished: as in `possible_layouts`.

    Returns:
        The labels, and what to say where one was left out.
    """
    first, *others = labels
    if not others or not is_background(first):
        return labels, None
    if possible_layouts(model, len(labels), named, finished):
        return labels, None
    if not possible_layouts(model, len(others), named, finished):
        return labels, None
    return others, (
        f"The first label, {first}, was left out: the model answers for {len(others)} classes, and"
        f" class 0 is {others[0]}."
    )


def without_background(
    model: OpenedModel, layout: Layout, spec: InputSpec, roles: Roles, labels: Sequence[str]
) -> tuple[Sequence[str], str | None]:
    """The labels without a background that ssd and end_to_end do not count.

    It stays where answers reach the last label, or Ultralytics has named it.

    Returns:
        The labels, and what to say of a background.
    """
    first, *others = labels
    if not others or not is_background(first):
        return labels, None
    sure = CLEAR if layout == "ssd" else -np.inf
    if layout == "end_to_end" and read_exporter_notes(model.file).end_to_end is not None:
        return labels, None
    if model.pictures and highest_class(model, spec, roles, sure) == len(others):
        return labels, f"The model answers with class {len(others)}: {first} is class 0."
    return others, (
        f"The first label, {first}, was left out: {layout} does not count it, and class 0 is"
        f" {others[0]}."
    )
