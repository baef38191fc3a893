"""What a TFLite file reads and answers, in the words of the manifest.

The file itself tells shapes, types and scales. Which tensor plays which role, and in which units
boxes are, is found by signature, name and shape, and where these leave it open, by what the model
answers to pictures. What cannot be found out is an error, never a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edge_detector.errors import ConfigError, ModelError
from edge_detector.fit import InputFit
from edge_detector.manifest import ROLES, ColourOrder, DType, Fit, InputSpec, Layout, OutputSpec
from edge_detector.runtime import open_interpreter, read_tensors
from edge_detector.tensors import TensorInfo

from edge.release.errors import ModelFileError
from edge.release.pictures import Image

_STRIDES = tuple(
    tuple(2**k for k in range(first, last + 1)) for first in range(2, 6) for last in range(first, 8)
)
_SSD = "TFLite_Detection_PostProcess"
_SSD_NAMES = {_SSD: "boxes", f"{_SSD}:1": "classes", f"{_SSD}:2": "scores", f"{_SSD}:3": "count"}
_LARGEST_SHARE = 2.0  # boxes in 0..1 of the input do not get larger, boxes in pixels do
_PADS = 114

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Reading:
    """What the publisher says about a model; None: to be found out."""

    layout: Layout | None = None
    mean: float | None = None
    std: float | None = None
    colour_order: ColourOrder = "rgb"
    fit: Fit | None = None
    normalised: bool | None = None


@dataclass(frozen=True)
class Description:
    """How a file is to be used."""

    input: InputSpec
    output: OutputSpec

    @property
    def reading(self) -> Reading:
        """The same, to describe another form of the same network with."""
        return Reading(
            layout=self.output.layout,
            mean=self.input.mean,
            std=self.input.std,
            colour_order=self.input.colour_order,
            fit=self.input.fit,
            normalised=self.output.normalised,
        )


def describe(
    model: Path,
    labels: Sequence[str],
    pictures: Sequence[Image],
    reading: Reading | None = None,
) -> Description:
    """Find out how a file is to be used.

    Args:
        model: a TFLite file.
        labels: what its classes are called.
        pictures: some, BGR; needed where the answers have to tell.
        reading: what is known already.

    Raises:
        ModelFileError: the file does not open, or is no detector of a known kind, or has another
            number of classes than there are labels.
    """
    return _Examination(model, labels, pictures, reading or Reading()).describe()


def output_names(model: Path) -> dict[str, str]:
    """The network's own names of a file's outputs, by tensor name; empty without a signature.

    Raises:
        ModelFileError: the file does not open.
    """
    interpreter = _open(model)
    return {info.name: name for name, info in _signature(interpreter).items()}


def _open(model: Path) -> Any:
    try:
        return open_interpreter(model)[0]
    except (ConfigError, ModelError) as error:
        raise ModelFileError(f"{model}: {error}") from error


def _signature(interpreter: Any) -> dict[str, TensorInfo]:
    """The outputs by the names that the file's one signature gives them."""
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return {}
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    by_name = {info.name: info for info in read_tensors(interpreter)[1]}
    return {
        name: by_name[details["name"]]
        for name, details in runner.get_output_details().items()
        if details["name"] in by_name
    }


class _Examination:
    """A file on the table."""

    def __init__(
        self, model: Path, labels: Sequence[str], pictures: Sequence[Image], reading: Reading
    ) -> None:
        self._interpreter = _open(model)
        self._model, self._labels, self._pictures = model, labels, pictures
        self._reading = reading
        inputs, self._outputs = read_tensors(self._interpreter)
        if len(inputs) != 1:
            raise ModelFileError(f"{model} has {len(inputs)} inputs; a detector reads one picture")
        self._input = inputs[0]

    def describe(self) -> Description:
        layout, roles = self._layout()
        spec = self._spec(layout)
        if layout == "ssd" and len(roles) < len(ROLES["ssd"]):
            roles = {**roles, **self._told_by_answers(spec)}
        if layout == "ssd":
            self._check_classes(spec, roles)
        normalised = False
        if layout.startswith("yolo"):
            normalised = self._is_normalised(layout, spec, roles["predictions"])
        return Description(
            input=spec,
            output=OutputSpec(
                layout=layout,
                tensors={role: roles[role].name for role in ROLES[layout]},
                strides=self._strides(spec, roles) if layout == "points" else (),
                normalised=normalised,
            ),
        )

    # The input

    def _spec(self, layout: Layout) -> InputSpec:
        info, reading = self._input, self._reading
        shape = info.shape
        if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
            raise ModelFileError(
                f"{self._model} reads {list(shape)}; a detector reads one picture,"
                " [1, height, width, 3]"
            )
        dtype: DType
        if info.dtype == np.float32:
            # As the common exporters have it: YOLO and our own read 0..1, SSD reads -1..1.
            dtype, mean, std = "float32", 0.0, 255.0
            if layout == "ssd":
                mean = std = 127.5
        elif info.dtype in (np.uint8, np.int8):
            # Bytes of the camera are meant to pass through unchanged.
            dtype = "uint8" if info.dtype == np.uint8 else "int8"
            std = _rounded(1 / info.scale) if info.quantised else 1.0
            mean = float(info.zero_point - np.iinfo(info.dtype).min) if info.quantised else 0.0
        else:
            raise ModelFileError(f"{self._model} reads {info.dtype}; uint8, int8 or float32 can be")
        return InputSpec(
            height=shape[1],
            width=shape[2],
            dtype=dtype,
            mean=mean if reading.mean is None else reading.mean,
            std=std if reading.std is None else reading.std,
            colour_order=reading.colour_order,
            fit=reading.fit or ("stretch" if layout == "ssd" else "letterbox"),
            pad=_PADS,
        )

    # The layout

    def _layout(self) -> tuple[Layout, dict[str, TensorInfo]]:
        found = [
            (layout, roles)
            for layout, find in (
                ("points", self._points),
                ("ssd", self._ssd),
                ("yolo_v8", lambda: self._yolo(4)),
                ("yolo_v5", lambda: self._yolo(5)),
            )
            if self._reading.layout in (None, layout) and (roles := find()) is not None
        ]
        if len(found) == 1:
            layout, roles = found[0]
            return layout, roles  # type: ignore[return-value]
        shown = ", ".join(f"{info.name} {list(info.shape)}" for info in self._outputs)
        if found:
            names = " or ".join(layout for layout, _ in found)
            raise ModelFileError(f"{self._model} answers {shown}: {names}? Say so by --layout")
        raise ModelFileError(
            f"{self._model} answers {shown}, which with {len(self._labels)} labels is none of the"
            " layouts known: points (scores [1, N, labels] and distances [1, N, 4]), ssd (the four"
            f" tensors of {_SSD}), yolo_v8 ([1, 4 + labels, N]), yolo_v5 ([1, N, 5 + labels])"
        )

    def _points(self) -> dict[str, TensorInfo] | None:
        outputs, classes = self._outputs, len(self._labels)
        shapes = sorted(info.shape for info in outputs)
        if len(outputs) != 2 or any(len(shape) != 3 for shape in shapes):
            return None
        if sorted(shape[2] for shape in shapes) != sorted((4, classes)):
            return None
        named = _signature(self._interpreter)
        if named.keys() >= {"scores", "distances"}:
            return {role: named[role] for role in ROLES["points"]}
        for role in ROLES["points"]:
            if sum(role in info.name.lower() for info in outputs) == 1:
                one, other = sorted(outputs, key=lambda info: role not in info.name.lower())
                return {role: one, next(r for r in ROLES["points"] if r != role): other}
        if classes != 4:
            distances, scores = sorted(outputs, key=lambda info: info.shape[2] != 4)
            return {"scores": scores, "distances": distances}
        raise ModelFileError(
            f"{self._model} has two outputs of four columns; name them scores and distances"
        )

    def _ssd(self) -> dict[str, TensorInfo] | None:
        """All four roles by name, or the two that shapes tell."""
        if len(self._outputs) != 4:
            return None
        named = {_SSD_NAMES[one.name]: one for one in self._outputs if one.name in _SSD_NAMES}
        if len(named) == 4:
            return named
        boxes = [one for one in self._outputs if len(one.shape) == 3 and one.shape[2] == 4]
        counts = [one for one in self._outputs if one.shape == (1,)]
        pair = [one for one in self._outputs if len(one.shape) == 2]
        if len(boxes) != 1 or len(counts) != 1 or len(pair) != 2:
            return None
        return {"boxes": boxes[0], "count": counts[0]}

    def _yolo(self, before: int) -> dict[str, TensorInfo] | None:
        """before: columns before those of the classes."""
        wide = before + len(self._labels)
        if len(self._outputs) != 1 or len(self._outputs[0].shape) != 3:
            return None
        _, rows, columns = self._outputs[0].shape
        fits = columns == wide or (before == 4 and rows == wide)
        return {"predictions": self._outputs[0]} if fits else None

    # What only the answers tell

    def _answers(self, spec: InputSpec) -> list[dict[str, Array]]:
        """For each picture all outputs as real values, by tensor name."""
        if not self._pictures:
            raise ModelFileError(
                f"{self._model} cannot be understood without pictures; give --golden or"
                " --evaluate-on"
            )
        fit = InputFit(spec, self._input)
        found = []
        for picture in self._pictures:
            self._interpreter.set_tensor(self._input.index, fit.prepare(picture)[0])
            self._interpreter.invoke()
            found.append(
                {
                    info.name: info.real(self._interpreter.get_tensor(info.index))
                    for info in self._outputs
                }
            )
        return found

    def _told_by_answers(self, spec: InputSpec) -> dict[str, TensorInfo]:
        """Classes are whole numbers, scores fall and are not."""
        pair = [info for info in self._outputs if len(info.shape) == 2]
        answers = self._answers(spec)
        whole = [info for info in pair if all((one[info.name] % 1 == 0).all() for one in answers)]
        if len(whole) != 1:
            raise ModelFileError(
                f"{self._model}: it cannot be told which of {pair[0].name} and {pair[1].name} are"
                f" classes and which scores; name the outputs as {_SSD} does"
            )
        scores = next(info for info in pair if info is not whole[0])
        if not all(a >= b for one in answers for a, b in pairwise(one[scores.name][0].tolist())):
            raise ModelFileError(f"{self._model}: {scores.name} are no scores, which would fall")
        return {"classes": whole[0], "scores": scores}

    def _check_classes(self, spec: InputSpec, roles: Mapping[str, TensorInfo]) -> None:
        if not self._pictures:
            return
        highest = max(int(one[roles["classes"].name].max()) for one in self._answers(spec))
        if highest >= len(self._labels):
            raise ModelFileError(
                f"{self._model} answers with class {highest}, but there are"
                f" {len(self._labels)} labels; the labels belong to another model"
            )

    def _is_normalised(self, layout: Layout, spec: InputSpec, info: TensorInfo) -> bool:
        if self._reading.normalised is not None:
            return self._reading.normalised
        if info.quantised:  # what it could say at most
            bounds = np.iinfo(info.dtype)
            return (bounds.max - info.zero_point) * info.scale <= _LARGEST_SHARE
        before = 4 if layout == "yolo_v8" else 5
        largest = 0.0
        for answer in self._answers(spec):
            table = answer[info.name][0]
            if table.shape[0] == before + len(self._labels) and layout == "yolo_v8":
                table = table.T
            largest = max(largest, float(table[:, :4].max()))
        return largest <= _LARGEST_SHARE

    def _strides(self, spec: InputSpec, roles: Mapping[str, TensorInfo]) -> tuple[int, ...]:
        count = roles["scores"].shape[1]
        for strides in _STRIDES:
            points = (-(-spec.height // side) * -(-spec.width // side) for side in strides)
            if sum(points) == count == roles["distances"].shape[1]:
                return strides
        raise ModelFileError(
            f"{self._model} answers for {count} points, which for a picture of {spec.height} x"
            f" {spec.width} are no grids with strides such as 8, 16 and 32; a head with anchors"
            f" needs {_SSD} after it"
        )


def _rounded(value: float) -> float:
    """1 / scale as it was meant: 255, not 254.99999."""
    return float(round(value)) if abs(value - round(value)) < 1e-3 * value else value
