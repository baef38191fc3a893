"""What a TFLite file reads and answers, in the words of the manifest.

The file itself tells shapes, types and scales. Which tensor plays which role, and in which units
boxes are, is found by signature, name and shape, and where these leave it open, by what the model
answers to pictures. What cannot be found out is an error, never a guess; and answers that
contradict the shape are one too, with what was seen and what to name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from edge_detector.contract.manifest import ROLES, ColourOrder, Fit, InputSpec, Layout, OutputSpec
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.answers import (
    END_TO_END,
    Finding,
    judge_detections,
    judge_end_to_end,
    judge_points,
    judge_ssd,
    judge_yolo,
    shows,
)
from edge.release.conversion.class_ids import (
    check_classes,
    check_step,
    find_pair,
    refuse_coarse,
    without_background,
    without_uncounted,
)
from edge.release.conversion.exporter import read_exporter_notes
from edge.release.conversion.input_scaling import settle_scaling
from edge.release.conversion.opened_model import Array, OpenedModel
from edge.release.conversion.shapes import (
    Roles,
    find_layout,
    find_strides,
)
from edge.release.conversion.tflite_metadata import read_normalisation
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
        self._normalisation = read_normalisation(model)
        self._notes: list[str] = []

    def inspect(self) -> Inspection:
        finished = self._is_finished()
        named = self._hints.layout
        self._leave_out(without_uncounted(self._model, self._labels, named, finished))
        layout, roles = find_layout(self._model, self._labels, named, finished)
        spec = self._spec(layout)
        if layout == "ssd" and len(roles) < len(ROLES["ssd"]):
            roles = {**roles, **find_pair(self._model, spec)}
        if layout in ("ssd", "end_to_end"):
            self._leave_out(without_background(self._model, layout, spec, roles, self._labels))
            check_classes(self._model, spec, roles, self._labels)
        normalised = False
        table = roles.get("predictions", roles.get("detections"))
        if table is not None:  # boxes of YOLO are in pixels or in shares
            normalised = self._is_normalised(layout, spec, table)
            self._note(check_step(self._model, layout, table, normalised=normalised))
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
        height, width = self._model.picture_sides()
        scaling = settle_scaling(info, layout, self._normalisation, hints.mean, hints.std)
        if scaling is None:
            raise ModelFileError(
                f"{self._model.file} reads {info.dtype}; uint8, int8 or float32 can be"
            )
        self._note(scaling.note)
        return InputSpec(
            height=height,
            width=width,
            dtype=scaling.dtype,
            mean=scaling.mean,
            std=scaling.std,
            colour_order=hints.colour_order,
            fit=hints.fit or ("stretch" if layout == "ssd" else "letterbox"),
            pad=_PADS,
        )

    # What only the answers tell

    def _is_finished(self) -> bool | None:
        """Whether the one output is a table of finished detections; None: it cannot be told.

        Such a table has a shape that YOLO's may have too.
        """
        self._model.picture_sides()
        info, named = self._model.outputs[0], self._hints.layout
        said = read_exporter_notes(self._model.file).end_to_end
        refuse_coarse(self._model)
        if len(self._model.outputs) != 1 or len(info.shape) != 3 or min(info.shape[1:]) < 6:
            return None
        if self._hints.settled or not self._model.pictures or named == "end_to_end":
            return said
        tables = [answer[info.name][0] for answer in self._model.answers(self._spec("end_to_end"))]
        step = info.scale if info.quantised else 0.0
        columns = judge_end_to_end(tables, step)
        if columns == END_TO_END and info.shape[2] == 6 and named is None:
            return True
        columns = columns or judge_end_to_end([table.T for table in tables], step)
        if columns:
            self._object(
                f"an end-to-end output, whose detections have been through NMS already:"
                f" {columns.describe()}. The layout end_to_end has [1, N, 6]: corners, score and"
                " class; export the network so, or without its last step (of Ultralytics:"
                " nms=False, end2end=False)"
            )
        return False if shows(tables, END_TO_END.score) else said

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
        if self._hints.settled:
            return
        finding = self._judge(spec, output, roles) if pictures else Finding()
        for seen in finding.impossible:
            raise ModelFileError(
                f"{self._model.file} cannot be {output.layout}, to go by its answers to"
                f" {pictures} pictures: {seen}"
            )
        for seen in finding.resembles:
            self._object(f"no {output.layout} with {len(self._labels)} labels: {seen}")
        if output.layout == "yolo_v5" and not (finding.objectness or self._hints.layout):
            self._refuse_exchanged(roles["predictions"])
        if pictures and not finding.proved:
            self._notes.append(
                f"That the model is {output.layout} follows from its shapes alone: it found nothing"
                f" in {pictures} pictures by which to prove it. Give pictures that show what it"
                " knows, by --golden, or labelled ones by --evaluate-on."
            )

    def _refuse_exchanged(self, info: TensorInfo) -> None:
        """Most tables with a row for each value are yolo_v8: this is one, if a label is missing."""
        count = len(self._labels)
        if info.shape[1] == 5 + count:
            raise ModelFileError(
                f"{self._model.file} answers {self._model.describe_outputs()}, which is a yolo_v8"
                f" with {count + 1} labels, or a yolo_v5 with {count} whose rows and columns are"
                f" exchanged, and {len(self._model.pictures)} pictures do not tell. Give the labels"
                " of a yolo_v8, or say so by --layout yolo_v5"
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
        sides = np.ones(4) if output.normalised else np.array([spec.width, spec.height] * 2)
        (role,) = ROLES[output.layout]
        shares = [
            np.concatenate([table[:, :4] / sides, table[:, 4:]], axis=1)
            for table in self._tables(output.layout, spec, roles[role])
        ]
        if output.layout == "end_to_end":
            return judge_detections(shares, roles[role].scale if roles[role].quantised else 0.0)
        return judge_yolo(output.layout, shares)

    def _tables(self, layout: Layout, spec: InputSpec, info: TensorInfo) -> list[Array]:
        """For each picture a row for each box, as the device reads the tensor."""
        values = len(self._labels) + (5 if layout == "yolo_v5" else 4)
        columns_first = layout != "end_to_end" and info.shape[1] == values
        tables = [answer[info.name][0] for answer in self._model.answers(spec)]
        return [table.T for table in tables] if columns_first else tables

    def _leave_out(self, known: tuple[Sequence[str], str | None]) -> None:
        """known: the labels that are left, and what to say of it."""
        self._labels, note = known
        self._note(note)

    def _note(self, note: str | None) -> None:
        if note and note not in self._notes:
            self._notes.append(note)

    def _is_normalised(self, layout: Layout, spec: InputSpec, info: TensorInfo) -> bool:
        if self._hints.normalised is not None:
            return self._hints.normalised
        if info.quantised:  # what it could say at most
            bounds = np.iinfo(info.dtype)
            shares = (bounds.max - info.zero_point) * info.scale <= _LARGEST_SHARE
            if shares or layout != "end_to_end":  # whose boxes share a scale with its classes
                return shares
        tables = self._tables(layout, spec, info)
        if not any(table[:, :4].any() for table in tables):
            raise ModelFileError(
                f"{self._model.file} found nothing in {len(tables)} pictures, so that nobody knows"
                " whether its boxes are in pixels; give pictures that show what it knows, by"
                " --golden or --evaluate-on"
            )
        # Sizes tell nothing: where YOLOv5 sees no object, they reach four times its anchors.
        telling = 4 if layout == "end_to_end" else 2
        return max(float(table[:, :telling].max()) for table in tables) <= _LARGEST_SHARE
