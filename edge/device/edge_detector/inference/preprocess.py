"""How frames fit a model's input, and how boxes find back to the frame.

A letterbox keeps the proportions and leaves a grey margin, centred; a stretch fills the input.
Whatever the input's type, the work is done on bytes: one resize, one exchange of colours, and
only what the model's scaling then still asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_detector.contract.manifest import InputSpec
from edge_detector.errors import CameraError, ModelError
from edge_detector.inference.tensors import TensorInfo

_KNOWN_SIZES = 32  # of frames, of which the geometry is kept
_SIGN = 0x80  # bit that makes a byte of 0..255 one of -128..127


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a frame lies in a model's input; all in pixels."""

    frame_width: int
    frame_height: int
    input_width: int
    input_height: int
    x: int  # of the frame's place in the input
    y: int
    width: int
    height: int
    _scale: NDArray[np.float32] = field(init=False, repr=False, compare=False)
    _shift: NDArray[np.float32] = field(init=False, repr=False, compare=False)
    _limit: NDArray[np.float32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        x_scale, y_scale = self.frame_width / self.width, self.frame_height / self.height
        for name, x, y in (
            ("_scale", self.input_width * x_scale, self.input_height * y_scale),
            ("_shift", -self.x * x_scale, -self.y * y_scale),
            ("_limit", self.frame_width, self.frame_height),
        ):
            object.__setattr__(self, name, np.array([x, y, x, y], np.float32))

    def to_frame(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes in 0 to 1 of the input, shape (n, 4), as pixels of the frame, clipped to it."""
        boxes: NDArray[np.float32] = boxes_xyxy * self._scale
        boxes += self._shift
        np.maximum(boxes, 0, out=boxes)
        np.minimum(boxes, self._limit, out=boxes)
        return boxes


def place(spec: InputSpec, frame_height: int, frame_width: int) -> Geometry:
    """Where a frame of this size lies in the input."""
    width, height = spec.width, spec.height
    if spec.fit == "letterbox":
        scale = min(width / frame_width, height / frame_height)
        width = min(width, max(1, round(frame_width * scale)))
        height = min(height, max(1, round(frame_height * scale)))
    return Geometry(
        frame_width=frame_width,
        frame_height=frame_height,
        input_width=spec.width,
        input_height=spec.height,
        x=(spec.width - width) // 2,
        y=(spec.height - height) // 2,
        width=width,
        height=height,
    )


class Preprocessor:
    """Turns frames into inputs of one model; may be used by several threads at once."""

    def __init__(self, spec: InputSpec, tensor: TensorInfo) -> None:
        """Plan the way from pixels to the tensor, which may have its channels first.

        Raises:
            ModelError: the tensor is not as the manifest says.
        """
        shape = (1, spec.height, spec.width, 3)
        self._channels_first = tensor.shape == (1, 3, spec.height, spec.width) != shape
        if not (self._channels_first or tensor.shape == shape) or tensor.dtype != np.dtype(
            spec.dtype
        ):
            raise ModelError(
                f"the model's input is {tensor.dtype} {list(tensor.shape)}, "
                f"its manifest says {spec.dtype} {list(shape)}"
            )
        self._spec = spec
        self._table = None if spec.dtype == "float32" else _table(spec, tensor)
        levels = np.arange(256, dtype=np.uint8)
        self._as_is = self._table is not None and bool((self._table == levels).all())
        self._signed = self._table is not None and bool((self._table == levels ^ _SIGN).all())
        self._geometries: Mapping[tuple[int, int], Geometry] = {}

    def prepare(self, frame: NDArray[np.uint8]) -> tuple[NDArray[Any], Geometry]:
        """A frame as the input, in the tensor's shape, in a buffer of its own.

        frame: BGR, shape (height, width, 3).

        Raises:
            CameraError: it is no such frame.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
            raise CameraError(
                f"a frame is {frame.dtype} {list(frame.shape)}; it must be uint8 [height, width, 3]"
            )
        geometry = self._geometry(frame.shape[0], frame.shape[1])
        levels = self._levels(frame, geometry)
        values = self._values(levels)
        if self._channels_first:
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        return values, geometry

    def _geometry(self, height: int, width: int) -> Geometry:
        known = self._geometries.get((height, width))
        if known is None:
            known = place(self._spec, height, width)
            # Exchanged, never changed: another thread may be looking.
            kept = list(self._geometries.items())[-_KNOWN_SIZES:]
            self._geometries = {**dict(kept), (height, width): known}
        return known

    def _levels(self, frame: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
        """The frame in the input's size and order of colours, its pixels still 0 to 255."""
        spec, x, y = self._spec, geometry.x, geometry.y
        size = (geometry.width, geometry.height)
        levels = np.empty((1, spec.height, spec.width, 3), np.uint8)
        if size != (spec.width, spec.height):
            levels.fill(spec.pad)
        target = levels[0, y : y + geometry.height, x : x + geometry.width]
        if spec.colour_order == "bgr":
            cv2.resize(frame, size, dst=target)
        else:  # exchanged last, as that costs least on the few pixels
            cv2.cvtColor(cv2.resize(frame, size), cv2.COLOR_BGR2RGB, dst=target)
        return levels

    def _values(self, levels: NDArray[np.uint8]) -> NDArray[Any]:
        spec = self._spec
        if self._table is None:
            real = np.multiply(levels, np.float32(1 / spec.std), dtype=np.float32)
            if spec.mean:
                real -= np.float32(spec.mean / spec.std)
            return real
        if self._signed:
            np.bitwise_xor(levels, _SIGN, out=levels)
        elif not self._as_is:
            return cv2.LUT(levels[0], self._table)[None].view(spec.dtype)
        return levels.view(spec.dtype)


def _table(spec: InputSpec, tensor: TensorInfo) -> NDArray[np.uint8]:
    """For each pixel value the byte that the quantised input has for it."""
    bounds = np.iinfo(tensor.dtype)
    levels = np.arange(256)
    real = (levels - spec.mean) / spec.std
    exact = real / (tensor.scale or 1.0) + tensor.zero_point
    values = np.clip(np.rint(exact), bounds.min, bounds.max).astype(np.int64)
    # One step off is rounding, as with a mean of 127.5 for a zero point of 128: not worth a pass.
    near = levels + bounds.min
    if np.abs(values - near).max() <= 1:
        values = near
    table: NDArray[np.uint8] = values.astype(tensor.dtype).view(np.uint8)
    return table
