"""The ends of a model: what its file says about a tensor, and real values from quantised ones.

Where a tensor is quantised, real = (integer - zero_point) * scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of a model file."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float = 0.0  # 0: not quantised
    zero_point: int = 0

    @classmethod
    def from_details(cls, details: Mapping[str, Any]) -> "TensorInfo":
        """From what an interpreter says about it."""
        scale, zero_point = details["quantization"]
        return cls(
            index=int(details["index"]),
            name=str(details["name"]),
            shape=tuple(int(side) for side in details["shape"]),
            dtype=np.dtype(details["dtype"]),
            scale=float(scale),
            zero_point=int(zero_point),
        )

    @property
    def quantised(self) -> bool:
        return self.scale > 0 and self.dtype.kind in "iu"

    def real(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """What values of this tensor stand for, in a new array."""
        real = values.astype(np.float32)
        if self.quantised:
            real -= np.float32(self.zero_point)
            real *= np.float32(self.scale)
        return real

    def cuts(self, limits: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The smallest values of this tensor that stand for at least the limits.

        Returns:
            The values in the tensor's own type, and which of the limits can be reached at all;
            where one cannot, its value means nothing.
        """
        if not self.quantised:
            return limits.astype(self.dtype), np.isfinite(limits) | (limits < 0)
        bounds = np.iinfo(self.dtype)
        # A limit that a value meets to within rounding is met.
        steps = np.ceil(limits / self.scale + self.zero_point - 1e-6)
        return np.clip(steps, bounds.min, bounds.max).astype(self.dtype), steps <= bounds.max
