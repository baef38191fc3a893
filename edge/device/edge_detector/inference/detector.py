"""A model file with its manifest, as one object that turns frames into detections.

The three stages may run in three threads, each on a frame of its own: `prepare` and `read` may be
called by several threads at once, `infer` by one at a time. `detect` is all three in a row.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_detector.contract.manifest import HOLE, ROLES, Manifest
from edge_detector.errors import ConfigError, ModelError
from edge_detector.inference.boxes import Box, Detection
from edge_detector.inference.decoders.decoding import DecoderSpec, open_decoder
from edge_detector.inference.nms import nms, one_per_place
from edge_detector.inference.preprocess import Geometry, Preprocessor
from edge_detector.inference.runtime import AUTO, open_interpreter, read_tensors
from edge_detector.inference.tensors import TensorInfo

_NO_THRESHOLDS: Mapping[str, float] = MappingProxyType({})
_WARM_UPS = 3  # the first runs are slow: memory is taken, weights are packed


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame as the model takes it; the buffer is its own."""

    tensor: NDArray[Any]  # (1, height, width, 3)
    geometry: Geometry  # leads back to the frame


@dataclass(frozen=True, slots=True)
class Raw:
    """The model's answer as it came, in buffers of its own, in the order of the layout's roles."""

    outputs: tuple[NDArray[Any], ...]
    geometry: Geometry


class Detector:
    """Finds objects in frames."""

    def __init__(
        self,
        model: Path,
        manifest: Manifest,
        threads: int = 1,
        runtime: str = AUTO,
        include: frozenset[str] | None = None,
        thresholds: Mapping[str, float] = _NO_THRESHOLDS,
        score_threshold: float | None = None,
        *,
        one_per_place: bool = False,
    ) -> None:
        """Open a model.

        include: labels that count; without it all. thresholds: score that a label needs.
        score_threshold: for all labels that `thresholds` does not name, instead of whatever the
        manifest says. one_per_place: of nearly the same box in two classes, keep the better one;
        a proof counts both, as average precision is defined class by class.

        Raises:
            ConfigError: a label that the model does not know, a threshold outside of 0 to 1, or
                no runtime.
            ModelError: the file does not open, or is not as the manifest says.
        """
        needed = _needed_scores(manifest, include, thresholds, score_threshold)
        self.manifest = manifest
        self._one_per_place = one_per_place
        # The latter: name and version of the runtime that runs the model.
        self._interpreter, self.runtime_name = open_interpreter(model, threads, runtime)
        inputs, outputs = read_tensors(self._interpreter)
        if len(inputs) != 1:
            raise ModelError(f"the model has {len(inputs)} inputs; it must have one, the picture")
        tensors = _by_role(manifest, outputs)
        self._input = inputs[0].index
        self._outputs = [tensors[role].index for role in ROLES[manifest.output.layout]]
        self._preprocessor = Preprocessor(manifest.input, inputs[0])
        self._decoder = open_decoder(DecoderSpec(manifest.output, manifest.input, tensors, needed))

    def detect(self, frame: NDArray[np.uint8]) -> list[Detection]:
        """What is in a frame, best first; boxes in its pixels. Raises as `prepare` and `infer`.

        frame: BGR, shape (height, width, 3).
        """
        return self.read(self.infer(self.prepare(frame)))

    def prepare(self, frame: NDArray[np.uint8]) -> Prepared:
        """Bring a frame into the form of the model's input; raises as `Preprocessor.prepare`."""
        return Prepared(*self._preprocessor.prepare(frame))

    def infer(self, prepared: Prepared) -> Raw:
        """Run the model; one thread at a time.

        Raises:
            ModelError: the runtime failed.
        """
        interpreter = self._interpreter
        try:
            interpreter.set_tensor(self._input, prepared.tensor)
            interpreter.invoke()
            outputs = tuple([interpreter.get_tensor(index) for index in self._outputs])
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.runtime_name} failed to run the model: {error}") from error
        return Raw(outputs, prepared.geometry)

    def read(self, raw: Raw) -> list[Detection]:
        """Make detections of the model's answer, best first."""
        limits = self.manifest.thresholds
        found = self._decoder.decode(raw.outputs)
        if not len(found):
            return []
        if self._decoder.has_nms:
            best = np.argsort(-found.scores, kind="stable")[: limits.max_detections]
        else:
            best = nms(
                found.boxes_xyxy,
                found.scores,
                found.class_ids,
                iou=limits.iou,
                limit=limits.max_detections,
            )
        found = found.take(best)
        if self._one_per_place:
            found = found.take(one_per_place(found.boxes_xyxy, found.scores, found.class_ids))
        labels = self.manifest.labels
        boxes = raw.geometry.to_frame(found.boxes_xyxy).tolist()
        return [
            Detection(labels[class_id], class_id, score, Box(x0, y0, x1, y1))
            for class_id, score, (x0, y0, x1, y1) in zip(
                found.class_ids.tolist(), found.scores.tolist(), boxes, strict=True
            )
            if x1 > x0 and y1 > y0  # not in the margin of a letterbox
        ]

    def warm_up(self) -> None:
        """Run the model on a grey picture until it runs as fast as it will."""
        spec = self.manifest.input
        prepared = self.prepare(np.full((spec.height, spec.width, 3), 127, np.uint8))
        for _ in range(_WARM_UPS):
            self.read(self.infer(prepared))


def _needed_scores(
    manifest: Manifest,
    include: frozenset[str] | None,
    thresholds: Mapping[str, float],
    score_threshold: float | None,
) -> NDArray[np.float64]:
    """Per class the score from which it counts; infinite for one that never does."""
    _check_labels(manifest, "include", include or frozenset())
    _check_labels(manifest, "thresholds", frozenset(thresholds))
    if include is not None and not include:
        raise ConfigError(f"include names no label: {_known(manifest)}")
    everywhere = {} if score_threshold is None else {"score_threshold": score_threshold}
    for name, score in {**everywhere, **thresholds}.items():
        if not 0 <= score <= 1:
            raise ConfigError(f"the threshold {name} is {score}: give 0 to 1")
    needed = []
    for label in manifest.labels:
        usual = manifest.thresholds.of(label) if score_threshold is None else score_threshold
        counts = label != HOLE and (include is None or label in include)
        needed.append(thresholds.get(label, usual) if counts else math.inf)
    return np.array(needed, np.float64)


def _check_labels(manifest: Manifest, name: str, labels: frozenset[str]) -> None:
    if unknown := sorted(labels - manifest.known_labels):
        raise ConfigError(f"{name}: no label {', '.join(map(repr, unknown))}; {_known(manifest)}")


def _known(manifest: Manifest) -> str:
    labels = ", ".join(label for label in manifest.labels if label != HOLE)
    return f"{manifest.name} {manifest.version} knows {labels}"


def _by_role(manifest: Manifest, outputs: tuple[TensorInfo, ...]) -> dict[str, TensorInfo]:
    by_name = {info.name: info for info in outputs}
    if len(by_name) < len(outputs):
        raise ModelError("two outputs of the model have one name")
    for role, name in manifest.output.tensors.items():
        if name not in by_name:
            raise ModelError(
                f"the model has no output {name!r} for the {role} of its manifest; "
                f"it has {', '.join(map(repr, by_name))}"
            )
    return {role: by_name[name] for role, name in manifest.output.tensors.items()}
