"""What a phone's graph does after the network: from raw answers to finished detections.

The same steps as on a device, in TensorFlow: a decoder for each layout (`edge_detector.inference.
decoders`), the thresholds of the manifest, of each place the best class, then non-maximum
suppression per class, by the operator TFLite_Detection_PostProcess. Its boxes come as middle and
size beside anchors, with the size as a logarithm; the one anchor that everything gets, middle 0
and side 1, makes that the box itself.

What fills the places that are left has the score 0 and corners the wrong way round: a phone's
default threshold is 0, and only such boxes are dropped whatever the threshold. The count is always
all places: MediaPipe before 0.10.14 divides by it.
"""

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from edge_detector.contract.manifest import HOLE, Manifest
from edge_detector.inference.decoders.points import grid

from edge.release.errors import ModelFileError
from edge.release.phone.graph import Graph
from services.modelling.keras import open_tensorflow, quiet

OPERATOR = "TFLite_Detection_PostProcess"
OUTPUTS = ("boxes", "classes", "scores", "count")
_LEAST_SCORE = 1e-6  # of what non-maximum suppression looks at: all others are 0 by then
_LEAST_SIDE = 1e-9
_NEVER = 1e9

Array = npt.NDArray[Any]


def make_tail(manifest: Manifest, shapes: Mapping[str, tuple[int, ...]]) -> Graph:
    """A graph from the layout's roles, as float32, to finished detections.

    shapes: of the roles.

    Raises:
        ModelFileError: the layout has no steps here.
    """
    tensorflow = open_tensorflow()
    layout = manifest.output.layout
    if layout not in _STEPS:
        raise ModelFileError(f"there is no file for phones of layout {layout} yet")
    module = tensorflow.Module()
    specs = {
        role: tensorflow.TensorSpec(shape, tensorflow.float32, name=role)
        for role, shape in shapes.items()
    }
    steps = _STEPS[layout](manifest, shapes)
    module.finish = tensorflow.function(lambda **roles: steps.finish(roles))
    with tempfile.TemporaryDirectory() as folder, quiet():
        function = module.finish.get_concrete_function(**specs)
        tensorflow.saved_model.save(module, folder, signatures=function)
        converter = tensorflow.lite.TFLiteConverter.from_saved_model(folder)
        converter.allow_custom_ops = True
        return Graph.read(bytes(converter.convert()))


class _Steps(ABC):
    """The steps that all layouts share."""

    def __init__(self, manifest: Manifest, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._tf = open_tensorflow()
        self._manifest = manifest
        self._shapes = shapes
        thresholds = manifest.thresholds
        self._needed = np.array(
            [_NEVER if label == HOLE else thresholds.of(label) for label in manifest.labels],
            np.float32,
        )

    @abstractmethod
    def finish(self, roles: Mapping[str, Any]) -> dict[str, Any]:
        """From the layout's roles to the four outputs."""

    def _suppress(self, corners: Any, scores: Any) -> dict[str, Any]:
        """corners: (N, 4) as x0, y0, x1, y1 in 0 to 1; scores: (N, C), 0 where none counts."""
        tf = self._tf
        corners = tf.clip_by_value(corners, 0.0, 1.0)
        low, high = corners[:, :2], corners[:, 2:]
        filled = tf.reduce_all(high > low, axis=1, keepdims=True)
        scores = tf.where(filled, scores, 0.0)
        middles, sides = (low + high) / 2, tf.math.log(tf.maximum(high - low, _LEAST_SIDE))
        encoded = tf.concat([middles[:, ::-1], sides[:, ::-1]], axis=1)
        anchors = np.tile(np.array([0, 0, 1, 1], np.float32), (scores.shape[0], 1))
        limits = self._manifest.thresholds
        operator = _operator(tf, len(self._needed), limits.max_detections, limits.iou)
        boxes, classes, best, _ = operator(encoded[None], scores[None], tf.constant(anchors))
        return self._filled(boxes, classes, best)

    def _filled(self, boxes: Any, classes: Any, scores: Any) -> dict[str, Any]:
        """With what fills the places that are left."""
        tf = self._tf
        shown = scores > 0
        turned = tf.constant([[[1.0, 1.0, 0.0, 0.0]]])
        count = tf.constant([float(scores.shape[1])])
        return {
            "boxes": tf.where(shown[..., None], boxes, turned),
            "classes": tf.where(shown, classes, 0.0),
            "scores": scores,
            # Not a constant: some delegates have no place for one among the outputs.
            "count": count + 0.0 * tf.reduce_sum(scores, axis=1),
        }

    def _best(self, values: Any, needed: Array, lowest: float) -> tuple[Any, Any]:
        """Of each row the best value that its class's threshold lets pass, and where it stands.

        Returns: (N, 1), `lowest` where none passes, and (N, C) with one 1 in each row.
        """
        tf = self._tf
        passed = tf.where(values >= needed, values, lowest)
        place = tf.one_hot(tf.argmax(passed, axis=1), values.shape[1])
        return tf.reduce_max(passed, axis=1, keepdims=True), place


class _Points(_Steps):
    def finish(self, roles: Mapping[str, Any]) -> dict[str, Any]:
        tf, spec = self._tf, self._manifest.input
        middles, strides = grid(spec, self._manifest.output.strides)
        size = np.array([spec.width, spec.height] * 2, np.float32)
        steps = np.repeat(strides[:, None], 4, axis=1) / size * np.array([-1, -1, 1, 1], np.float32)
        distances = tf.maximum(roles["distances"][0], 0.0)
        corners = distances * steps + np.tile(middles, 2) / size
        with np.errstate(divide="ignore", over="ignore"):
            needed = np.log(self._needed) - np.log1p(-np.minimum(self._needed, 1))
        best, place = self._best(
            roles["scores"][0], np.clip(needed, -_NEVER, _NEVER).astype(np.float32), -_NEVER
        )
        return self._suppress(corners, tf.sigmoid(best) * place)


class _Yolo(_Steps):
    def _rows(self, roles: Mapping[str, Any], values: int) -> Any:
        """A row for each box; values: that it has."""
        table = roles["predictions"][0]
        return self._tf.transpose(table) if table.shape[0] == values else table

    def _corners(self, boxes: Any) -> Any:
        """boxes: (N, 4), middle and size in the layout's units."""
        spec = self._manifest.input
        width, height = (1, 1) if self._manifest.output.normalised else (spec.width, spec.height)
        units = np.array([1 / width, 1 / height, 0.5 / width, 0.5 / height], np.float32)
        boxes = boxes * units
        middles, halves = boxes[:, :2], boxes[:, 2:]
        return self._tf.concat([middles - halves, middles + halves], axis=1)


class _YoloV8(_Yolo):
    def finish(self, roles: Mapping[str, Any]) -> dict[str, Any]:
        tf = self._tf
        table = self._rows(roles, 4 + len(self._needed))
        best, place = self._best(table[:, 4:], self._needed, 0.0)
        return self._suppress(self._corners(table[:, :4]), tf.minimum(best, 1.0) * place)


class _YoloV5(_Yolo):
    def finish(self, roles: Mapping[str, Any]) -> dict[str, Any]:
        tf = self._tf
        table = self._rows(roles, 5 + len(self._needed))
        scores = tf.minimum(table[:, 5:], 1.0) * tf.minimum(table[:, 4:5], 1.0)
        best, place = self._best(scores, self._needed, 0.0)
        return self._suppress(self._corners(table[:, :4]), best * place)


class _Finished(_Steps):
    """Finished already: only thresholds, and what fills the places that are left."""

    def _known(self, boxes: Any, classes: Any, scores: Any) -> dict[str, Any]:
        """boxes: (1, N, 4) as y0, x0, y1, x1 in 0 to 1; classes and scores: (1, N)."""
        tf = self._tf
        classes = tf.round(classes)
        known = (classes >= 0.0) & (classes < float(len(self._needed)))
        number = tf.cast(tf.clip_by_value(classes, 0.0, len(self._needed) - 1.0), tf.int32)
        known &= scores >= tf.gather(tf.constant(self._needed), number)
        boxes = tf.clip_by_value(boxes, 0.0, 1.0)
        known &= tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=2)
        scores = tf.where(known, tf.minimum(scores, 1.0), 0.0)
        most = self._manifest.thresholds.max_detections
        if scores.shape[1] > most:
            scores, places = tf.math.top_k(scores, most)
            boxes, classes = (tf.gather(each, places[0], axis=1) for each in (boxes, classes))
        return self._filled(boxes, classes, scores)


class _Ssd(_Finished):
    def finish(self, roles: Mapping[str, Any]) -> dict[str, Any]:
        scores = roles["scores"]
        places = np.arange(scores.shape[1], dtype=np.float32)[None]
        counted = self._tf.where(places < roles["count"][:, None], scores, 0.0)
        return self._known(roles["boxes"], roles["classes"], counted)


class _EndToEnd(_Finished):
    def finish(self, roles: Mapping[str, Any]) -> dict[str, Any]:
        spec, table = self._manifest.input, roles["detections"]
        width, height = (1, 1) if self._manifest.output.normalised else (spec.width, spec.height)
        sides = np.array([height, width] * 2, np.float32)
        corners = self._tf.gather(table[..., :4], [1, 0, 3, 2], axis=2) / sides
        return self._known(corners, table[..., 5], table[..., 4])


_STEPS: Mapping[str, type[_Steps]] = {
    "points": _Points,
    "yolo_v5": _YoloV5,
    "yolo_v8": _YoloV8,
    "ssd": _Ssd,
    "end_to_end": _EndToEnd,
}


def _operator(tf: Any, classes: int, most: int, overlap: float) -> Any:
    """The operator as a function that stands for it: the converter knows it by its attributes."""
    attributes: Sequence[tuple[str, str, object]] = (
        ("max_detections", "i", most),
        ("max_classes_per_detection", "i", 1),
        ("detections_per_class", "i", most),
        ("use_regular_nms", "b", "true"),
        ("nms_score_threshold", "f", _LEAST_SCORE),
        ("nms_iou_threshold", "f", min(max(overlap, 1e-6), 1.0)),
        ("y_scale", "f", 1.0),
        ("x_scale", "f", 1.0),
        ("h_scale", "f", 1.0),
        ("w_scale", "f", 1.0),
        ("num_classes", "i", classes),
    )
    written = " ".join(
        f'attr {{ key: "{name}" value {{ {kind}: {value} }} }}' for name, kind, value in attributes
    )

    def operator(boxes: Any, scores: Any, anchors: Any) -> Any:
        return (
            tf.zeros((1, most, 4)),
            tf.zeros((1, most)),
            tf.zeros((1, most)),
            tf.zeros((1,)),
        )

    return tf.function(operator, experimental_implements=f'name: "{OPERATOR}" {written}')
