"""What a TFLite file reads and answers, in the words of the manifest.

The file itself tells shapes, types and scales. Which tensor plays which role, and in which units
boxes are, is found by signature, name and shape, and where these leave it open, by what the model
answers to pictures. What cannot be found out is an error, never a guess; and answers that
contradict the shape are one too, with what was seen and what to name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from edge_detector.contract.manifest import ROLES, ColourOrder, Fit, InputSpec, Layout, OutputSpec
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.answers import (
    CLEAR,
    Finding,
    judge_end_to_end,
    judge_points,
    judge_ssd,
    judge_yolo,
)
from edge.release.conversion.input_scaling import find_scaling
from edge.release.conversion.opened_model import Array, OpenedModel
from edge.release.conversion.shapes import SSD, Roles, find_layout, find_strides
from edge.release.datasets.label_names import is_background
from edge.release.datasets.pictures import Image
from edge.release.errors import ModelFileError

_LARGEST_SHARE = 2.0  # boxes in 0..1 of the input do not get larger, boxes in pixels do
_PADS = 114


@dataclass(frozen=True)
class ModelHints:
    """What the publisher says about a model; None: to be found out."""

    layout: Layout | None = None
    mean: float | None = None
    std: float | None = None
    colour_order: ColourOrder = "rgb"
    fit: Fit | None = None
    normalised: bool | None = None
    settled: bool = False  # found out of another form of the network; its answers are not judged


@dataclass(frozen=True)
class Inspection:
    """How a file is to be used: its input and its outputs, as the manifest has them.

    labels: those that its classes go by, where these are fewer than were given; notes: what a
    person should know.
    """

    input: InputSpec
    output: OutputSpec
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def hints(self) -> ModelHints:
        """The same as hints, to inspect another form of the same network with."""
        return ModelHints(
            layout=self.output.layout,
            mean=self.input.mean,
            std=self.input.std,
            colour_order=self.input.colour_order,
            fit=self.input.fit,
            normalised=self.output.normalised,
        )


def inspect_model(
    model: Path,
    labels: Sequence[str],
    pictures: Sequence[Image],
    hints: ModelHints | None = None,
) -> Inspection:
    """Find out how a file is to be used.

    Args:
        model: a TFLite file.
        labels: what its classes are called.
        pictures: some, BGR; needed where the answers have to tell.
        hints: what is known already.

    Raises:
        ModelFileError: the file does not open, or is no detector of a known kind, or has another
            number of classes than there are labels.
    """
    return _Inspector(model, labels, pictures, hints or ModelHints()).inspect()


class _Inspector:
    """Inspects one file."""

    def __init__(
        self, model: Path, labels: Sequence[str], pictures: Sequence[Image], hints: ModelHints
    ) -> None:
        self._model = OpenedModel(model, pictures)
        self._labels, self._hints = labels, hints
        self._notes: list[str] = []

    def inspect(self) -> Inspection:
        self._refuse_end_to_end()
        layout, roles = find_layout(self._model, self._labels, self._hints.layout)
        spec = self._spec(layout)
        if layout == "ssd":
            if len(roles) < len(ROLES["ssd"]):
                roles = {**roles, **self._pair_by_answers(spec)}
            self._leave_out_background(spec, roles)
            self._check_classes(spec, roles)
        normalised = False
        if "predictions" in roles:  # boxes of YOLO are in pixels or in shares
            normalised = self._is_normalised(layout, spec, roles["predictions"])
        output = OutputSpec(
            layout=layout,
            tensors={role: roles[role].name for role in ROLES[layout]},
            strides=find_strides(self._model, spec, roles) if layout == "points" else (),
            normalised=normalised,
        )
        self._check_answers(spec, output, roles)
        return Inspection(spec, output, tuple(self._labels), tuple(self._notes))

    # The input

    def _spec(self, layout: Layout) -> InputSpec:
        info, hints = self._model.input, self._hints
        shape = info.shape
        if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
            raise ModelFileError(
                f"{self._model.file} reads {list(shape)}; a detector reads one picture,"
                " [1, height, width, 3]"
            )
        scaling = find_scaling(info, layout)
        if scaling is None:
            raise ModelFileError(
                f"{self._model.file} reads {info.dtype}; uint8, int8 or float32 can be"
            )
        given = (hints.mean, hints.std) != (None, None)
        if scaling.note and not given and scaling.note not in self._notes:
            self._notes.append(scaling.note)
        return InputSpec(
            height=shape[1],
            width=shape[2],
            dtype=scaling.dtype,
            mean=scaling.mean if hints.mean is None else hints.mean,
            std=scaling.std if hints.std is None else hints.std,
            colour_order=hints.colour_order,
            fit=hints.fit or ("stretch" if layout == "ssd" else "letterbox"),
            pad=_PADS,
        )

    # What only the answers tell

    def _refuse_end_to_end(self) -> None:
        """Finished detections in one table have a shape that YOLO's may have too."""
        shape = self._model.outputs[0].shape
        if len(self._model.outputs) != 1 or len(shape) != 3 or not self._model.pictures:
            return
        if self._hints.settled or min(shape[1:]) < 6:
            return
        info = self._model.outputs[0]
        tables = [answer[info.name][0] for answer in self._model.answers(self._spec("yolo_v8"))]
        step = info.scale if info.quantised else 0.0
        turned = [table.T for table in tables]
        seen = judge_end_to_end(tables, step) or judge_end_to_end(turned, step)
        if seen:
            self._object(
                f"an end-to-end output, whose detections have been through NMS already:"
                f" {seen}. No layout reads that; export the network without its last step (of"
                " Ultralytics: nms=False, end2end=False)"
            )

    def _object(self, seen: str) -> None:
        """Say what answers look like: an error, but for a layout that the publisher has named."""
        model, pictures = self._model, len(self._model.pictures)
        said = (
            f"{model.file} answers {model.describe_outputs()}, and on {pictures} pictures that is"
            f" {seen}"
        )
        named = self._hints.layout
        if named is None:
            raise ModelFileError(f"{said}. If it is not, name its layout by --layout")
        self._notes.append(f"Published as {named}, as --layout says, although {said}.")

    def _check_answers(self, spec: InputSpec, output: OutputSpec, roles: Roles) -> None:
        """Refuse what contradicts the layout, and say where nothing could be told."""
        pictures = len(self._model.pictures)
        if self._hints.settled or not pictures:
            return
        finding = self._judge(spec, output, roles)
        for seen in finding.impossible:
            raise ModelFileError(
                f"{self._model.file} cannot be {output.layout}, to go by its answers to"
                f" {pictures} pictures: {seen}"
            )
        for seen in finding.resembles:
            self._object(f"no {output.layout} with {len(self._labels)} labels: {seen}")
        if not finding.proved:
            self._notes.append(
                f"That the model is {output.layout} follows from its shapes alone: it found nothing"
                f" in {pictures} pictures by which to prove it. Give pictures that show what it"
                " knows, by --golden, or labelled ones by --evaluate-on."
            )

    def _judge(self, spec: InputSpec, output: OutputSpec, roles: Roles) -> Finding:
        answers = self._model.answers(spec)
        if output.layout == "points":
            scores, distances = (
                [answer[roles[r].name][0] for answer in answers] for r in ROLES["points"]
            )
            return judge_points(scores, distances)
        if output.layout == "ssd":
            return judge_ssd(
                [{role: answer[info.name][0] for role, info in roles.items()} for answer in answers]
            )
        tables = self._tables(output.layout, spec, roles["predictions"])  # yolo_v5 or yolo_v8
        sides = np.ones(4) if output.normalised else np.array([spec.width, spec.height] * 2)
        return judge_yolo(
            output.layout,
            [np.concatenate([table[:, :4] / sides, table[:, 4:]], axis=1) for table in tables],
        )

    def _tables(self, layout: Layout, spec: InputSpec, info: TensorInfo) -> list[Array]:
        """For each picture a row for each box, as the device reads the tensor."""
        columns_first = layout == "yolo_v8" and info.shape[1] == 4 + len(self._labels)
        tables = [answer[info.name][0] for answer in self._model.answers(spec)]
        return [table.T for table in tables] if columns_first else tables

    def _pair_by_answers(self, spec: InputSpec) -> dict[str, TensorInfo]:
        """Classes are whole numbers, scores fall and are not."""
        pair = [info for info in self._model.outputs if len(info.shape) == 2]
        answers = self._model.answers(spec)
        whole = [
            info for info in pair if all((answer[info.name] % 1 == 0).all() for answer in answers)
        ]
        if len(whole) != 1:
            raise ModelFileError(
                f"{self._model.file}: it cannot be told which of {pair[0].name} and"
                f" {pair[1].name} are classes and which scores; name the outputs as {SSD} does, or"
                " give pictures in which it finds something"
            )
        scores = next(info for info in pair if info is not whole[0])
        falling = (pairwise(answer[scores.name][0].tolist()) for answer in answers)
        if not all(a >= b for pairs in falling for a, b in pairs):
            raise ModelFileError(
                f"{self._model.file}: {scores.name} are no scores, which would fall"
            )
        return {"classes": whole[0], "scores": scores}

    def _leave_out_background(self, spec: InputSpec, roles: Roles) -> None:
        """ssd does not count the background; unless answers say otherwise, its name goes."""
        first, *others = self._labels
        if not others or not is_background(first):
            return
        if self._model.pictures and self._highest(spec, roles, CLEAR) == len(others):
            self._notes.append(f"The model answers with class {len(others)}: {first} is class 0.")
            return
        self._labels = others
        self._notes.append(
            f"The first label, {first}, was left out: ssd does not count it, and class 0 is"
            f" {others[0]}."
        )

    def _highest(self, spec: InputSpec, roles: Roles, score: float) -> int:
        """The highest class with such a score in any picture; -1 where there is none."""
        highest = -1
        for answer in self._model.answers(spec):
            counted = answer[roles["scores"].name][0] >= score
            classes = answer[roles["classes"].name][0][counted]
            classes = classes[np.isfinite(classes)]
            highest = max(highest, int(classes.max()) if len(classes) else -1)
        return highest

    def _check_classes(self, spec: InputSpec, roles: Roles) -> None:
        if not self._model.pictures:
            return
        highest = self._highest(spec, roles, -np.inf)
        if highest >= len(self._labels):
            raise ModelFileError(
                f"{self._model.file} answers with class {highest}, but there are"
                f" {len(self._labels)} labels; the labels belong to another model"
            )

    def _is_normalised(self, layout: Layout, spec: InputSpec, info: TensorInfo) -> bool:
        if self._hints.normalised is not None:
            return self._hints.normalised
        if info.quantised:  # what it could say at most
            bounds = np.iinfo(info.dtype)
            return (bounds.max - info.zero_point) * info.scale <= _LARGEST_SHARE
        tables = self._tables(layout, spec, info)
        return max(float(table[:, :4].max()) for table in tables) <= _LARGEST_SHARE
