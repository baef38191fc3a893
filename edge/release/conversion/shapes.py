"""Which layouts the shapes and names of a model's outputs allow, and the roles of its tensors."""

from collections.abc import Mapping, Sequence

from edge_detector.contract.manifest import ROLES, InputSpec, Layout
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.opened_model import OpenedModel
from edge.release.conversion.other_kinds import name_kind
from edge.release.errors import ModelFileError

SSD = "TFLite_Detection_PostProcess"
_SSD_NAMES = {SSD: "boxes", f"{SSD}:1": "classes", f"{SSD}:2": "scores", f"{SSD}:3": "count"}
_STRIDES = tuple(
    tuple(2**k for k in range(first, last + 1)) for first in range(2, 6) for last in range(first, 8)
)

Roles = Mapping[str, TensorInfo]


def possible_layouts(
    model: OpenedModel, count: int, named: Layout | None, finished: bool | None
) -> dict[Layout, Roles]:
    """The layouts that the shapes allow; of ssd, classes and scores may be missing.

    Args:
        model: the file.
        count: of its labels.
        named: the layout that the publisher has named, if any.
        finished: whether its one output is a table of finished detections; None: not known.
    """
    possible: dict[Layout, Roles | None] = {
        "points": _points(model, count) if named in (None, "points") else None,
        "ssd": _ssd(model),
        "yolo_v8": _yolo(model.outputs, 4 + count),
        "yolo_v5": _yolo(model.outputs, 5 + count),
        "end_to_end": _end_to_end(model.outputs),
    }
    if named is None and finished is not None:
        others = [layout for layout in possible if (layout == "end_to_end") != finished]
        possible = {layout: None if layout in others else possible[layout] for layout in possible}
    return {
        layout: roles
        for layout, roles in possible.items()
        if roles is not None and named in (None, layout)
    }


def find_layout(
    model: OpenedModel, labels: Sequence[str], named: Layout | None, finished: bool | None
) -> tuple[Layout, Roles]:
    """The one layout that the shapes allow; arguments as those of `possible_layouts`.

    Raises:
        ModelFileError: none is, or several are.
    """
    found = possible_layouts(model, len(labels), named, finished)
    if len(found) > 1 and _is_grid(model):
        found.pop("end_to_end", None)
    if len(found) == 1:
        return next(iter(found.items()))
    seen = f"{model.file} answers {model.describe_outputs()}"
    if found:
        raise ModelFileError(f"{seen}: {' or '.join(found)}? Say so by --layout")
    kind = name_kind([info.shape for info in model.outputs], len(labels))
    if kind:
        raise ModelFileError(f"{model.file} is {kind}. It answers {model.describe_outputs()}")
    if named is None and finished is False and _end_to_end(model.outputs):
        raise ModelFileError(
            f"{seen}, which has the shape of end_to_end, but is not that by its answers or its"
            " exporter: scores would fall from row to row, and classes be whole numbers. If its"
            " detections are finished nevertheless, say so by --layout end_to_end"
            f"{_hint(model.outputs)}"
        )
    raise ModelFileError(
        f"{seen}, which with {len(labels)} label{'s' * (len(labels) > 1)} is none of the layouts"
        " known: points (scores [1, N, labels] and distances [1, N, 4]), ssd (the four tensors of"
        f" {SSD}), yolo_v8 ([1, 4 + labels, N]), yolo_v5 ([1, N, 5 + labels]),"
        " both also with rows and columns exchanged, end_to_end ([1, N, 6])"
        f"{_hint(model.outputs)}"
    )


def find_strides(model: OpenedModel, spec: InputSpec, roles: Roles) -> tuple[int, ...]:
    """The strides of the grids that make as many points as "points" answers for.

    Raises:
        ModelFileError: no grids do.
    """
    count = roles["scores"].shape[1]
    strides = _strides_of(count, spec.height, spec.width)
    if strides and count == roles["distances"].shape[1]:
        return strides
    raise ModelFileError(
        f"{model.file} answers for {count} points, which for a picture of {spec.height} x"
        f" {spec.width} are no grids with strides such as 8, 16 and 32; a head with anchors"
        f" needs {SSD} after it"
    )


def _points(model: OpenedModel, classes: int) -> Roles | None:
    outputs = model.outputs
    shapes = [info.shape for info in outputs]
    if len(outputs) != 2 or any(len(shape) != 3 for shape in shapes):
        return None
    if sorted(shape[2] for shape in shapes) != sorted((4, classes)):
        return None
    named = model.signature()
    if named.keys() >= {"scores", "distances"}:
        return {role: named[role] for role in ROLES["points"]}
    for role in ROLES["points"]:
        if sum(role in info.name.lower() for info in outputs) == 1:
            named_so, other = sorted(outputs, key=lambda info: role not in info.name.lower())
            return {role: named_so, next(r for r in ROLES["points"] if r != role): other}
    if classes != 4:
        distances, scores = sorted(outputs, key=lambda info: info.shape[2] != 4)
        return {"scores": scores, "distances": distances}
    raise ModelFileError(
        f"{model.file} has two outputs of four columns; name them scores and distances"
    )


def _ssd(model: OpenedModel) -> Roles | None:
    """All four roles by name, or the two that shapes tell."""
    outputs = model.outputs
    if len(outputs) != 4:
        return None
    named = {_SSD_NAMES[info.name]: info for info in outputs if info.name in _SSD_NAMES}
    if len(named) == 4:
        return named
    boxes = [info for info in outputs if len(info.shape) == 3 and info.shape[2] == 4]
    counts = [info for info in outputs if info.shape == (1,)]
    pair = [info for info in outputs if len(info.shape) == 2]
    if len(boxes) != 1 or len(counts) != 1 or len(pair) != 2:
        return None
    return {"boxes": boxes[0], "count": counts[0], **_named_pair(model, pair)}


def _named_pair(model: OpenedModel, pair: Sequence[TensorInfo]) -> Roles:
    """Classes and scores, where their names or the signature's say which is which."""
    names = {info.name: f"{name} {info.name}".lower() for name, info in model.signature().items()}
    found = {
        role: [info for info in pair if word in names.get(info.name, info.name.lower())]
        for role, word in (("classes", "class"), ("scores", "score"))
    }
    classes, scores = found["classes"], found["scores"]
    if len(classes) == len(scores) == 1 and classes != scores:
        return {"classes": classes[0], "scores": scores[0]}
    return {}


def _yolo(outputs: Sequence[TensorInfo], wide: int) -> Roles | None:
    """wide: values of a box, which are rows or columns."""
    if len(outputs) != 1 or len(outputs[0].shape) != 3:
        return None
    return {"predictions": outputs[0]} if wide in outputs[0].shape[1:] else None


def _end_to_end(outputs: Sequence[TensorInfo]) -> Roles | None:
    if len(outputs) != 1 or len(outputs[0].shape) != 3 or outputs[0].shape[2] != 6:
        return None
    return {"detections": outputs[0]}


def _strides_of(count: int, height: int, width: int) -> tuple[int, ...]:
    """The strides of the grids that have so many points; empty where no grids do."""
    for strides in _STRIDES:
        if sum(-(-height // side) * -(-width // side) for side in strides) == count:
            return strides
    return ()


def _is_grid(model: OpenedModel) -> bool:
    """Whether a row stands for each place of grids, of which one has up to three boxes."""
    rows, sides = model.outputs[0].shape[1], model.picture_sides()
    return any(rows % boxes == 0 and _strides_of(rows // boxes, *sides) for boxes in (1, 3))


def _hint(outputs: Sequence[TensorInfo]) -> str:
    """How many labels would fit a table: their number is the usual mistake."""
    if len(outputs) != 1 or len(outputs[0].shape) != 3:
        return ""
    _, rows, columns = outputs[0].shape
    wide = min(rows, columns)
    if wide < 5:
        return ""
    hint = f"; with {wide - 4} label{'s' * (wide > 5)} it would be yolo_v8"
    return hint + f", with {wide - 5} yolo_v5" * (wide > 5)
