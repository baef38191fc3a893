"""What the shapes of all parts have in common: the value that is drawn, fractures, waves.

A part is drawn straight in the place and rotation it will have in the picture, from distances to
its outline: that gives smooth edges without supersampling, its exact mask, and a height per pixel
from which `metal` shades it in the light of the scene. The only randomness is the generator given.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]  # (h, w)
Mask = NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True)
class Part:
    """What is to be drawn.

    size: longest extent of the whole part in px; angle: of its axis in radians; defect: one that
    its kind has, or None.
    """

    kind: str
    size: float
    angle: float
    defect: str | None = None


@dataclass(frozen=True)
class Shape:
    """A drawn part, as planes of its patch of the picture.

    outline: px to the part's edge, negative within; height: px above the belt; evidence: where a
    defect of the outline shows.
    """

    outline: Plane
    height: Plane
    evidence: Mask


def fracture(rng: np.random.Generator, across: Plane, reach: float) -> Plane:
    """The run of a fracture: an irregular zigzag in -1..1 over a coordinate in -reach..reach."""
    stops = np.linspace(-reach, reach, 11)
    run = rng.uniform(0.2, 1, 11) * np.where(np.arange(11) % 2, 1, -1)
    return np.interp(across, stops, run).astype(np.float32)


def triangle_wave(phase: NDArray[np.floating]) -> Plane:
    """A wave of period 1 between 0 and 1."""
    return np.asarray(np.abs(2 * (phase - np.floor(phase)) - 1), np.float32)
