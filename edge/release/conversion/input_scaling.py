"""What a pixel becomes before a model sees it, by the model's layout.

The range that an input was quantised with says which values fit into its bytes. What a pixel means
is another question, and the layout answers it: YOLO reads pixel / 255, whatever the range. SSD and
our own head are exported so that the bytes of a camera pass through.
"""

from dataclasses import dataclass

import numpy as np
from edge_detector.contract.manifest import DType, Layout
from edge_detector.inference.tensors import TensorInfo

_FEWEST_STEPS = 2.5  # that 0..1 has in bytes that are meant to hold it


@dataclass(frozen=True)
class Scaling:
    """A model reads (pixel - mean) / std; note: what a person should know about it."""

    dtype: DType
    mean: float
    std: float
    note: str | None = None


def find_scaling(tensor: TensorInfo, layout: Layout) -> Scaling | None:
    """What is usual for a layout and the type of its input; None for a type that is not read."""
    if tensor.dtype == np.float32:
        # As the common exporters have it: YOLO and our own read 0..1, SSD reads -1..1.
        mean, std = (127.5, 127.5) if layout == "ssd" else (0.0, 255.0)
        return Scaling("float32", mean, std)
    if tensor.dtype not in (np.uint8, np.int8):
        return None
    dtype: DType = "uint8" if tensor.dtype == np.uint8 else "int8"
    lowest = np.iinfo(tensor.dtype).min
    if not tensor.quantised:
        return Scaling(dtype, float(-lowest), 1.0)  # bytes as they are
    own = Scaling(dtype, float(tensor.zero_point - lowest), _rounded(1 / tensor.scale))
    if layout in ("points", "ssd"):
        return own
    low, high = ((end - tensor.zero_point) * tensor.scale for end in (lowest, lowest + 255))
    if 1 / tensor.scale < _FEWEST_STEPS:
        note = (
            f"The input's bytes stand for {low:.3g} to {high:.3g}, too coarse for the 0 to 1 that"
            " YOLO reads: pixels are passed on as they are. Say by --mean and --std if they mean"
            " something else."
        )
        return Scaling(dtype, own.mean, own.std, note)
    if (own.mean, own.std) == (0.0, 255.0) or max(abs(low), abs(high - 1)) < tensor.scale:
        return Scaling(dtype, 0.0, 255.0)
    note = (
        f"The input's bytes stand for {low:.3g} to {high:.3g}; YOLO reads pixel / 255, so 0 to 1"
        " of that is used. Say by --mean and --std if the network was trained otherwise."
    )
    if low > 1 / 255 or high < 1 - 1 / 255:
        note = note.replace("so 0 to 1 of that is used", "and what lies beyond is cut off")
    return Scaling(dtype, 0.0, 255.0, note)


def _rounded(value: float) -> float:
    """1 / scale as it was meant: 255, not 254.99999."""
    return float(round(value)) if abs(value - round(value)) < 1e-3 * value else value
