"""Which classes a model that does its own NMS answers with, and in which of its tensors."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from edge_detector.contract.manifest import InputSpec
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.answers import END_TO_END
from edge.release.conversion.opened_model import OpenedModel
from edge.release.conversion.shapes import SSD, Roles
from edge.release.errors import ModelFileError


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
