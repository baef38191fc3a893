"""What a pixel becomes before a model sees it: as the publisher, the file or the layout says.

The range that an input was quantised with says which values fit into its bytes. What a pixel means
is another question. TFLite metadata may answer it; else the layout does: YOLO reads pixel / 255,
whatever the range. SSD and our own head are exported so that the bytes of a camera pass through.
"""

from dataclasses import dataclass, replace

import numpy as np
from edge_detector.contract.manifest import DType, Layout
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.tflite_metadata import Normalisation
from edge.release.errors import ModelFileError

_FEWEST_STEPS = 2.5  # that 0..1 has in bytes that are meant to hold it
_STEPS = 2.0  # by which bytes may differ from what metadata says of them


@dataclass(frozen=True)
class Scaling:
    """A model reads (pixel - mean) / std; note: what a person should know about it."""

    dtype: DType
    mean: float
    std: float
    note: str | None = None

    def of(self, level: float) -> float:
        """What a pixel of this level becomes."""
        return (level - self.mean) / self.std

    def describe(self) -> str:
        return f"(pixel - {self.mean:g}) / {self.std:g}"


def settle_scaling(
    tensor: TensorInfo,
    layout: Layout,
    said: Normalisation | None,
    mean: float | None,
    std: float | None,
) -> Scaling | None:
    """What counts: what the publisher names, else what metadata says, else what is usual.

    Args:
        tensor: the input.
        layout: of the model.
        said: by the file's metadata.
        mean: that the publisher names.
        std: the same.

    Returns:
        None for a type that is not read.

    Raises:
        ModelFileError: metadata scales each channel apart, and nothing was named instead.
    """
    usual = find_scaling(tensor, layout)
    if usual is None:
        return None
    named = (mean, std) != (None, None)
    known = _by_metadata(tensor, usual, said, named=None not in (mean, std)) if said else usual
    if not named:
        return known
    chosen = Scaling(
        usual.dtype,
        known.mean if mean is None else mean,
        known.std if std is None else std,
    )
    if said is None or (said.mean, said.std) == ((chosen.mean,), (chosen.std,)):
        return chosen
    note = (
        f"Pixels are read as {chosen.describe()}, as --mean and --std say, although the file's"
        f" metadata says {_describe(said)}."
    )
    return replace(chosen, note=note)


def _by_metadata(
    tensor: TensorInfo, usual: Scaling, said: Normalisation, *, named: bool
) -> Scaling:
    """named: whether the publisher names what is to be read instead."""
    if len(said.mean) > 1:
        if named:
            return usual
        raise ModelFileError(
            f"the file's metadata scales each channel in its own way, {_describe(said)}, and"
            " devices scale all alike: export it with one mean and std, or name what comes nearest"
            " by --mean and --std"
        )
    found = Scaling(usual.dtype, said.mean[0], said.std[0])
    found = replace(
        found, note=f"Pixels are read as {found.describe()}, as the file's metadata says."
    )
    if tensor.dtype == np.float32:
        return found
    lowest = np.iinfo(tensor.dtype).min
    scale = tensor.scale if tensor.quantised else 1.0
    bytes_as_they_are = Scaling(
        usual.dtype,
        float(tensor.zero_point - lowest),
        _rounded(1 / scale),
        found.note,
    )
    off = [abs(found.of(level) - bytes_as_they_are.of(level)) / scale for level in (0, 255)]
    if max(off) <= _STEPS:  # a byte's rounding apart, they are the same
        return bytes_as_they_are
    low, high = bytes_as_they_are.of(0), bytes_as_they_are.of(255)
    room = min(found.of(0) - low, high - found.of(255)) >= -_STEPS * scale
    if room and 1 / scale * (found.of(255) - found.of(0)) >= _FEWEST_STEPS:
        return found
    return replace(
        usual,
        note=f"The file's metadata says that {_describe(said)} is read, which does not fit the"
        f" {low:.3g} to {high:.3g} that the input's bytes stand for, so {usual.describe()} is read."
        " Say by --mean and --std if it means something else.",
    )


def _describe(said: Normalisation) -> str:
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (said.mean, said.std))
    if len(said.mean) > 1:
        mean, std = f"({mean})", f"({std})"
    return f"(pixel - {mean}) / {std}"


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
