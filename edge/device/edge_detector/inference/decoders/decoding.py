"""What every decoder takes and gives, and the steps that several of them share.

Scores are compared as they come, quantised or not, in one pass against limits that were brought
into the tensor's own units beforehand; only what passes becomes real numbers. A place shows one
thing: of several classes that pass there, the best counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_detector.contract.manifest import InputSpec, OutputSpec
from edge_detector.errors import ModelError
from edge_detector.inference.tensors import TensorInfo

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

    @classmethod
    def none(cls) -> "Candidates":
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))

    @classmethod
    def clipped(
        cls, corners: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.intp]
    ) -> "Candidates":
        """Of what a model has found, without what is empty or no number.

        corners: (n, 4) in the unit of `boxes_xyxy`; clipped to the input, in place.
        """
        np.maximum(corners, 0, out=corners)
        np.minimum(corners, 1, out=corners)
        candidates = cls(corners, np.minimum(scores, 1), classes)
        filled = np.logical_and.reduce(corners[:, 2:] > corners[:, :2], axis=1)
        return candidates if filled.all() else candidates.take(filled)


@dataclass(frozen=True)
class DecoderSpec:
    """What a decoder is made for.

    thresholds: per class, (C,) in 0..1; infinite for one that never counts.
    """

    output: OutputSpec
    input: InputSpec
    tensors: Mapping[str, TensorInfo]  # by role
    thresholds: NDArray[np.float64]

    @property
    def classes(self) -> int:
        return len(self.thresholds)

    def check_shape(self, role: str, shape: tuple[int, ...], alternative: str = "") -> None:
        """Raises: ModelError: the role's tensor has another shape, or an empty one.

        alternative: the other shape that would do, for the message.
        """
        info = self.tensors[role]
        if info.shape != shape or 0 in shape:
            raise ModelError(
                f"the model's {role} ({info.name}) are {list(info.shape)}; "
                f"its layout, input and labels ask for {list(shape)} {alternative}".rstrip()
            )

    def box_units(self) -> NDArray[np.float32]:
        """What turns middle x, y, width and height into middle and half size, in 0..1."""
        width, height = (self.input.width, self.input.height)
        if self.output.normalised:
            width, height = 1, 1
        return np.array([1 / width, 1 / height, 0.5 / width, 0.5 / height], np.float32)


class LayoutDecoder(Protocol):
    """Reads one layout; may be used by several threads at once.

    It is the class `Decoder`, made from a `DecoderSpec`, of the module here that has the layout's
    name in `Layout` of `contract.manifest`; that module's docstring says what the tensors hold.
    """

    has_nms: bool  # whether the model does non-maximum suppression itself

    def decode(self, outputs: Outputs) -> Candidates: ...


def open_decoder(spec: DecoderSpec) -> LayoutDecoder:
    """The decoder of the layout that a manifest names.

    Raises:
        ModelError: the shapes of the tensors do not fit the layout, the input or the labels.
    """
    decoder: LayoutDecoder = import_module(f"{__package__}.{spec.output.layout}").Decoder(spec)
    return decoder


def xywh_to_xyxy(boxes: NDArray[np.float32], units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Middle and size as corners, in 0..1; times the units they are middle and half size there."""
    boxes = boxes * units
    middles, halves = boxes[:, :2], boxes[:, 2:]
    return np.concatenate((middles - halves, middles + halves), axis=1)


class ScoreFilter:
    """Finds the few scores that pass."""

    def __init__(
        self,
        info: TensorInfo,
        limits: NDArray[np.float64],
        shape: tuple[int, int],
        *,
        classes_first: bool = False,
    ) -> None:
        """limits: per class. shape: of the scores, without the batch."""
        cuts, reachable = info.cuts(limits)
        self._info = info
        self._classes_first = classes_first
        self._reachable = None if reachable.all() else reachable
        # Written out in full: comparing arrays of one shape is many times as fast.
        rows = cuts[:, None] if classes_first else cuts[None, :]
        self._cuts = np.ascontiguousarray(np.broadcast_to(rows, shape))

    def best_per_row(
        self, scores: NDArray[Any]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Rows where a class passes, each once: their numbers, best classes and real scores."""
        hits = np.flatnonzero(scores >= self._cuts)
        first, second = np.divmod(hits, self._cuts.shape[1])
        values = self._info.real(scores[first, second])
        rows, classes = (second, first) if self._classes_first else (first, second)
        if self._reachable is not None:
            passed = self._reachable[classes]
            rows, classes, values = rows[passed], classes[passed], values[passed]
        if len(set(rows.tolist())) == len(rows):
            return rows, classes, values
        order = np.lexsort((classes, -values, rows))
        ordered = rows[order]
        best = order[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
        return rows[best], classes[best], values[best]
