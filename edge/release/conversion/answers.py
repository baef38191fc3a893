"""Whether what a model answers to pictures is what its layout says: decided from values alone.

A shape leaves much open: six columns are a YOLOv8 with two labels, a YOLOv5 with one, or boxes
that have been through non-maximum suppression. Values tell them apart: probabilities lie between 0
and 1, boxes lie in the picture, corners rise, classes of finished detections are whole numbers and
their scores fall, an objectness is high wherever a class is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from edge_detector.contract.manifest import Layout

CLEAR = 0.3  # score from which a row shows something
FEWEST_ROWS = 32  # that a grid has; the share of fewer says nothing
_FEWEST_CLEAR = 3
_NEARLY_ALL, _HARDLY_ANY = 0.9, 0.1
_TOLERANCE = 0.05  # of probabilities, beyond 0 and 1
_BEYOND = 0.25  # of the picture, that a box may leave it by

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Finding:
    """What speaks against a layout.

    impossible: no model of this layout answers so. resembles: it could, but another form of
    output always does. proved: something was found by which the layout could be told.
    objectness: column 4 is high with a class and hardly ever without one, as yolo_v5 has it.
    """

    impossible: tuple[str, ...] = ()
    resembles: tuple[str, ...] = ()
    proved: bool = False
    objectness: bool = False


@dataclass(frozen=True)
class Columns:
    """Where finished detections have the first of their corners, their score and their class."""

    corners: int
    score: int
    class_id: int

    def describe(self) -> str:
        return (
            f"corners in columns {self.corners} to {self.corners + 3}, scores that fall in column"
            f" {self.score}, whole-number classes in column {self.class_id}"
        )


END_TO_END = Columns(0, 4, 5)  # as the layout of this name has them
# Classes before scores, and corners behind the number of the picture.
_FINISHED = (END_TO_END, Columns(0, 5, 4), Columns(1, 6, 5), Columns(1, 5, 6))


def judge_end_to_end(tables: Sequence[Array], step: float = 0.0) -> Columns | None:
    """Whether tables are finished detections: which columns say so, else None.

    Args:
        tables: one for each picture, (rows, columns), as real values.
        step: of the values, where they are quantised.
    """
    for columns in _FINISHED:
        if all(_is_finished(table, columns, step) for table in tables) and shows(
            tables, columns.score
        ):
            return columns
    return None


def shows(tables: Sequence[Array], column: int) -> bool:
    """Whether a column, if it has scores, is above what a network says of nothing."""
    return any(table[:, column].max() > _TOLERANCE for table in tables)


def _is_finished(table: Array, columns: Columns, step: float) -> bool:
    first, score, class_id = columns.corners, columns.score, columns.class_id
    if table.shape[1] <= max(score, class_id) or len(table) < 2 or not np.isfinite(table).all():
        return False
    if first == 1 and table.shape[1] != 7:
        return False
    scores, classes = table[:, score], table[:, class_id]
    low, high = table[:, first : first + 2], table[:, first + 2 : first + 4]
    shown = scores > _TOLERANCE
    return bool(
        -1e-3 <= scores.min() <= scores.max() <= 1 + _TOLERANCE + step / 2
        and (np.diff(scores) <= 1e-6 + step).all()
        and (np.abs(classes - np.rint(classes)) <= 1e-3 + step / 2).all()
        and (high[shown] >= low[shown]).all()
    )


def judge_yolo(layout: Layout, tables: Sequence[Array]) -> Finding:
    """YOLO's rows.

    Args:
        layout: yolo_v5 or yolo_v8.
        tables: one for each picture, (rows, columns) with boxes as shares of the input.
    """
    table = np.concatenate(tables)
    if not np.isfinite(table).all():
        return Finding(("some of its values are no numbers",))
    if len(tables[0]) < FEWEST_ROWS:
        return Finding()
    boxes, scores = table[:, :4], table[:, 4:]
    if _turned(scores):
        return Finding(
            (
                "only its last column leaves 0 to 1, as the angles of turned boxes (OBB) do:"
                f" {scores[:, -1].min():.2f} to {scores[:, -1].max():.2f}; devices read upright"
                " boxes, so export a network for the task detect",
            )
        )
    if scores.min() < -_TOLERANCE or scores.max() > 1 + _TOLERANCE:
        return Finding(
            (
                f"its scores reach from {scores.min():.3g} to {scores.max():.3g}, and probabilities"
                " lie between 0 and 1: the columns are others, or it lacks its last sigmoid",
            )
        )
    best = scores.max(axis=1)
    if layout == "yolo_v5":
        best = scores[:, 0] * scores[:, 1:].max(axis=1)
    clear = best >= CLEAR
    resembles = [*_corners(boxes, layout), *_objectness(layout, scores)]
    impossible = _boxes_outside(boxes[clear]) if clear.any() and not resembles else []
    sure = (_together(scores) or 0.0) >= _NEARLY_ALL
    return Finding(tuple(impossible), tuple(resembles), bool(clear.any()), sure)


def _turned(scores: Array) -> bool:
    """Whether the last column alone is no probability, but may be an angle."""
    outside = (scores.min(axis=0) < -_TOLERANCE) | (scores.max(axis=0) > 1 + _TOLERANCE)
    angles = bool(np.abs(scores[:, -1]).max() <= np.pi + _TOLERANCE)
    return len(outside) > 1 and bool(outside[-1]) and not outside[:-1].any() and angles


def _boxes_outside(boxes: Array) -> list[str]:
    """boxes: middle and size, of rows that show something."""
    middles, sizes = boxes[:, :2], boxes[:, 2:]
    if (sizes <= 0).any(axis=1).mean() > 0.5:
        return ["most of its boxes have no width or height"]
    far = np.maximum(-(middles - sizes / 2), middles + sizes / 2 - 1).max(axis=1) > 2 * _BEYOND
    if far.mean() > 0.5:
        return [
            "most of its boxes leave the picture; the first reaches from"
            f" {_pair(middles[far][0] - sizes[far][0] / 2)} to"
            f" {_pair(middles[far][0] + sizes[far][0] / 2)}, in parts of its sides"
        ]
    return []


def _corners(boxes: Array, layout: Layout) -> list[str]:
    """Middles lie anywhere beside sizes; of corners the second is always the larger one."""
    filled = boxes[(boxes != 0).any(axis=1)]
    if len(filled) < FEWEST_ROWS:
        return []
    ordered = (filled[:, 2:] >= filled[:, :2]).all(axis=1)
    beyond = (filled[:, :2] + filled[:, 2:] / 2 > 1 + _BEYOND).any(axis=1)
    if ordered.mean() < 0.98 or beyond.mean() < _HARDLY_ANY:
        return []
    return [
        f"its boxes are corners (x1, y1, x2, y2), where {layout} has middle and size: in each of"
        f" {len(filled)} rows the second pair is larger"
    ]


def _objectness(layout: Layout, scores: Array) -> list[str]:
    """Column 4 is high wherever a class is, if it is an objectness, and else hardly ever."""
    if scores.shape[1] < 2:
        return []
    if _only_whole(scores[:, -1]) and not _only_whole(scores[:, 0]):
        return [
            "its last column has whole numbers only, as the classes of finished detections are"
            " (end_to_end)"
        ]
    both, labels = _together(scores), scores.shape[1]
    if both is None:
        return []
    if layout == "yolo_v8" and both >= _NEARLY_ALL:
        return [
            "column 4 is high only together with another one, as an objectness is: a yolo_v5 with"
            f" {_labels(labels - 1)}"
        ]
    if layout == "yolo_v5" and both <= _HARDLY_ANY:
        return [
            "column 4 is high where no class is, so it is no objectness, but a class: a yolo_v8"
            f" with {_labels(labels)}"
        ]
    return []


def _together(scores: Array) -> float | None:
    """How often a later column is high where the first is; None where it hardly ever is."""
    first = scores[:, 0] >= CLEAR
    if scores.shape[1] < 2 or np.count_nonzero(first) < _FEWEST_CLEAR:
        return None
    return float((scores[first, 1:].max(axis=1) >= CLEAR).mean())


def _only_whole(column: Array) -> bool:
    """Whether it has whole numbers only, and not zeros alone."""
    return bool(column.any() and (column == np.rint(column)).all())


def judge_detections(tables: Sequence[Array], step: float = 0.0) -> Finding:
    """Rows of the layout end_to_end, one table for each picture, boxes as shares of the input.

    step: of the values, where they are quantised.
    """
    return judge_ssd(
        [
            {
                "boxes": table[:, :4],
                "classes": table[:, END_TO_END.class_id],
                "scores": table[:, END_TO_END.score],
                "count": np.array(len(table)),
            }
            for table in tables
        ],
        "end_to_end",
        step,
    )


def judge_ssd(
    answers: Sequence[Mapping[str, Array]], layout: Layout = "ssd", step: float = 0.0
) -> Finding:
    """The four tensors of TFLite_Detection_PostProcess, by role, without the batch.

    layout: what these are called in findings; step: of their classes, where they are quantised.
    """
    # Steps of 1 and more skip classes: then nothing that is not whole can be one.
    off = 0.01 + step / 2 if step < 1 else 0.01
    corners = "x0, y0, x1, y1" if layout == "end_to_end" else "ymin, xmin, ymax, xmax"
    for answer in answers:
        if not all(np.isfinite(values).all() for values in answer.values()):
            return Finding(("some of its values are no numbers",))
        classes, scores, count = answer["classes"], answer["scores"], float(answer["count"])
        if (np.abs(classes - np.rint(classes)) > off).any() or classes.min() < -0.5:
            return Finding((f"its classes ({_first(classes)}) are no whole numbers from 0 on",))
        if scores.min() < -_TOLERANCE or scores.max() > 1 + _TOLERANCE + step / 2:
            return Finding((f"its scores ({_first(scores)}) do not lie between 0 and 1",))
        if abs(count - round(count)) > 0.01 or not 0 <= round(count) <= len(scores):
            return Finding((f"its count is {count:g}, of {len(scores)} boxes",))
    boxes = np.concatenate([answer["boxes"][answer["scores"] >= CLEAR] for answer in answers])
    if not len(boxes):
        return Finding()
    impossible = []
    if not (boxes[:, 2:] > boxes[:, :2]).all(axis=1).mean() >= 0.5:
        impossible.append(
            f"its boxes ({_first(boxes[0])}) are no corners: {corners}, of which the second pair"
            " is larger"
        )
    elif (boxes.max(axis=1) > 1 + 2 * _BEYOND).mean() > 0.5:
        impossible.append(
            f"its boxes ({_first(boxes[0])}) are in pixels, where {layout} has shares of the"
            " picture, 0 to 1"
        )
    return Finding(tuple(impossible), (), True)


def judge_points(scores: Sequence[Array], distances: Sequence[Array]) -> Finding:
    """Our own head: logits and distances, one array for each picture."""
    logits, lengths = np.concatenate(scores), np.concatenate(distances)
    if not (np.isfinite(logits).all() and np.isfinite(lengths).all()):
        return Finding(("some of its values are no numbers",))
    if len(scores[0]) < FEWEST_ROWS:
        return Finding()
    resembles = []
    if logits.min() >= 0 and logits.max() <= 1 and logits.min() < logits.max():
        resembles.append(
            f"its scores lie between {logits.min():.2g} and {logits.max():.2g}, as probabilities"
            " do, where points has logits: leave out the last sigmoid"
        )
    if (lengths < 0).mean() > 2 * _HARDLY_ANY:
        resembles.append(
            f"{(lengths < 0).mean():.0%} of its distances are negative, as offsets from anchors"
            " are; points has lengths"
        )
    return Finding((), tuple(resembles), bool(logits.max() >= np.log(CLEAR / (1 - CLEAR))))


def _labels(count: int) -> str:
    return f"{count} label{'s' * (count != 1)}"


def _pair(point: Array) -> str:
    return ", ".join(f"{value:.2f}" for value in point)


def _first(values: Array) -> str:
    shown = ", ".join(f"{value:.3g}" for value in values.reshape(-1)[:4])
    return f"{shown}, …" if values.size > 4 else shown
