"""The answers of models, in each of the forms a manifest can name, as boxes with scores.

- "points": `scores` [1, N, C] as logits and `distances` [1, N, 4], from each point to the left,
  top, right and bottom edge of its box, in units of the point's stride. For each stride, in the
  manifest's order, there is a grid of ceil(height / stride) x ceil(width / stride) points, row by
  row; a point lies in the middle of its cell.
- "ssd": `boxes` [1, N, 4] as ymin, xmin, ymax, xmax in 0..1, `classes` and `scores` [1, N], and
  `count` [1]: the operator TFLite_Detection_PostProcess, which has suppressed doubles itself.
- "yolo_v8": `predictions` [1, 4 + C, N] or [1, N, 4 + C]: middle x, y, width, height, and a
  probability per class.
- "yolo_v5": `predictions` [1, N, 5 + C]: the same with the probability that there is an object
  before those of the classes, by which they are multiplied.

Scores are compared as they come, quantised or not, in one pass against limits that were brought
into the tensor's own units beforehand; only what passes becomes real numbers. A place shows one
thing: of several classes that pass there, the best counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_detector.contract.manifest import ROLES, InputSpec, OutputSpec
from edge_detector.errors import ModelError
from edge_detector.inference.nms import nms
from edge_detector.inference.score_filter import Sieve
from edge_detector.inference.tensors import TensorInfo

__all__ = ["Candidates", "Decoder", "nms", "open_layout"]

Outputs = Sequence[NDArray[Any]]  # in the order of the layout's roles


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be an object: it passed its threshold."""

    boxes_xyxy: NDArray[np.float32]  # (n, 4) in 0..1 of the model's input, none of them empty
    scores: NDArray[np.float32]  # (n,) in 0..1
    class_ids: NDArray[np.intp]  # (n,)

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, which: NDArray[Any]) -> "Candidates":
        """Some of them, by index or mask."""
        return Candidates(self.boxes_xyxy[which], self.scores[which], self.class_ids[which])


_NONE = Candidates(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))


class Decoder(Protocol):
    """Reads one layout; may be used by several threads at once."""

    suppressed: bool  # whether the model has suppressed doubles itself

    def decode(self, outputs: Outputs) -> Candidates: ...


def open_layout(
    output: OutputSpec,
    spec: InputSpec,
    tensors: Mapping[str, TensorInfo],
    thresholds: NDArray[np.float64],
) -> Decoder:
    """The decoder of a layout.

    tensors: by role. thresholds: per class, (C,) in 0..1; infinite for one that never counts.

    Raises:
        ModelError: the shapes of the tensors do not fit the layout, the input or the labels.
    """
    infos = [tensors[role] for role in ROLES[output.layout]]
    if output.layout == "points":
        return _Points(infos, spec, output.strides, thresholds)
    if output.layout == "ssd":
        return _Ssd(infos, thresholds)
    width, height = (1, 1) if output.normalised else (spec.width, spec.height)
    units = np.array([1 / width, 1 / height, 0.5 / width, 0.5 / height], np.float32)
    if output.layout == "yolo_v5":
        return _YoloV5(infos[0], units, thresholds)
    return _YoloV8(infos[0], units, thresholds)


class _Points:
    suppressed = False

    def __init__(
        self,
        infos: Sequence[TensorInfo],
        spec: InputSpec,
        strides: Sequence[int],
        thresholds: NDArray[np.float64],
    ) -> None:
        self._scores, self._distances = infos
        middles, steps = _grid(spec, strides)
        count, classes = len(middles), len(thresholds)
        _check_shape("scores", self._scores, (1, count, classes))
        _check_shape("distances", self._distances, (1, count, 4))
        size = np.array([spec.width, spec.height] * 2, np.float32)
        self._middles = np.tile(middles, 2) / size
        self._steps = np.repeat(steps[:, None], 4, axis=1) / size
        self._steps[:, :2] *= -1  # left and top lead back
        with np.errstate(divide="ignore"):  # 0 and 1 have no finite logit
            limits = np.log(thresholds) - np.log1p(-np.minimum(thresholds, 1.0))
        limits[thresholds > 1] = np.inf
        self._sieve = Sieve(self._scores, limits, (count, classes))

    def decode(self, outputs: Outputs) -> Candidates:
        scores, distances = outputs
        rows, classes, values = self._sieve.best_per_row(scores[0])
        if not len(rows):
            return _NONE
        corners = self._distances.real(distances[0][rows])
        np.maximum(corners, 0, out=corners)
        corners *= self._steps[rows]
        corners += self._middles[rows]
        return _proper(corners, _sigmoid(values), classes)


class _Ssd:
    suppressed = True

    def __init__(self, infos: Sequence[TensorInfo], thresholds: NDArray[np.float64]) -> None:
        self._infos = infos
        self._thresholds = thresholds
        count = infos[2].shape[-1] if infos[2].shape else 0
        for name, info, shape in zip(
            ROLES["ssd"], infos, ((1, count, 4), (1, count), (1, count), (1,)), strict=True
        ):
            _check_shape(name, info, shape)

    def decode(self, outputs: Outputs) -> Candidates:
        boxes, raw_classes, scores, counts = (
            info.real(output) for info, output in zip(self._infos, outputs, strict=True)
        )
        if not np.isfinite(raw_classes).all() or not np.isfinite(counts).all():
            return _NONE
        classes = np.rint(raw_classes[0]).astype(np.intp)
        known = (classes >= 0) & (classes < len(self._thresholds))
        known[max(0, round(float(counts[0]))) :] = False
        known[known] = scores[0][known] >= self._thresholds[classes[known]]
        if not known.any():
            return _NONE
        corners = boxes[0][known][:, [1, 0, 3, 2]]
        return _proper(corners, scores[0][known], classes[known])


class _YoloV8:
    suppressed = False

    def __init__(
        self, info: TensorInfo, units: NDArray[np.float32], thresholds: NDArray[np.float64]
    ) -> None:
        self._info, self._units = info, units
        wide = 4 + len(thresholds)
        self._classes_first = len(info.shape) == 3 and info.shape[1] == wide
        count = info.shape[2 if self._classes_first else 1] if len(info.shape) == 3 else 0
        if not self._classes_first:
            _check_shape("predictions", info, (1, count, wide), f"or [1, {wide}, N] ")
        shape = (wide - 4, count) if self._classes_first else (count, wide - 4)
        self._sieve = Sieve(info, thresholds, shape, classes_first=self._classes_first)

    def decode(self, outputs: Outputs) -> Candidates:
        rows_first = outputs[0][0].T if self._classes_first else outputs[0][0]
        scores = outputs[0][0][4:] if self._classes_first else rows_first[:, 4:]
        rows, classes, values = self._sieve.best_per_row(scores)
        if not len(rows):
            return _NONE
        boxes = self._info.real(rows_first[rows, :4])
        return _proper(_xywh_to_xyxy(boxes, self._units), values, classes)


class _YoloV5:
    suppressed = False

    def __init__(
        self, info: TensorInfo, units: NDArray[np.float32], thresholds: NDArray[np.float64]
    ) -> None:
        self._info, self._units, self._thresholds = info, units, thresholds
        count = info.shape[1] if len(info.shape) == 3 else 0
        _check_shape("predictions", info, (1, count, 5 + len(thresholds)))
        # A class's probability is at most 1: nothing below the lowest threshold can pass.
        limits, _ = info.cuts(thresholds.min(keepdims=True))
        self._limit = limits[0]

    def decode(self, outputs: Outputs) -> Candidates:
        predictions = outputs[0][0]
        rows = np.flatnonzero(predictions[:, 4] >= self._limit)
        if not len(rows):
            return _NONE
        real = self._info.real(predictions[rows])
        objects, scores = real[:, 4], np.minimum(real[:, 5:], 1)
        scores *= np.minimum(objects, 1)[:, None]
        scores[~(scores >= self._thresholds)] = -1
        classes = scores.argmax(axis=1)
        values = scores[np.arange(len(rows)), classes]
        passed = values >= 0
        boxes = _xywh_to_xyxy(real[passed, :4], self._units)
        return _proper(boxes, values[passed], classes[passed])


def _grid(
    spec: InputSpec, strides: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Middles (N, 2) as x, y and strides (N,) of all points, in pixels of the input."""
    middles, steps = [], []
    for stride in strides:
        rows, columns = -(-spec.height // stride), -(-spec.width // stride)
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        middles.append((np.stack([x, y], axis=1) + 0.5) * stride)
        steps.append(np.full(rows * columns, stride))
    return (
        np.concatenate(middles).astype(np.float32),
        np.concatenate(steps).astype(np.float32),
    )


def _proper(
    corners: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.intp]
) -> Candidates:
    """Clip boxes to the input, scores to 1, and leave out what is empty or no number."""
    np.maximum(corners, 0, out=corners)
    np.minimum(corners, 1, out=corners)
    candidates = Candidates(corners, np.minimum(scores, 1), classes)
    filled = np.logical_and.reduce(corners[:, 2:] > corners[:, :2], axis=1)
    return candidates if filled.all() else candidates.take(filled)


def _xywh_to_xyxy(boxes: NDArray[np.float32], units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Middle and size as corners, in 0..1; times the units they are middle and half size there."""
    boxes = boxes * units
    middles, halves = boxes[:, :2], boxes[:, 2:]
    return np.concatenate((middles - halves, middles + halves), axis=1)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # By tanh, which overflows nowhere.
    probabilities: NDArray[np.float32] = np.float32(0.5) * (1 + np.tanh(logits * np.float32(0.5)))
    return probabilities


def _check_shape(
    role: str, info: TensorInfo, shape: tuple[int, ...], alternative: str = ""
) -> None:
    if info.shape != shape or 0 in shape:
        _refuse_shape(role, info, shape, alternative)


def _refuse_shape(
    role: str, info: TensorInfo, shape: tuple[int, ...], alternative: str
) -> NoReturn:
    raise ModelError(
        f"the model's {role} ({info.name}) are {list(info.shape)}; "
        f"its layout, input and labels ask for {list(shape)} {alternative}".rstrip()
    )
