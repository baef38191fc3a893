"""The shape of one part on the belt: bolt, nut or washer, whole or with a defect one can see.

Kinds are drawn by modules of their own (`bolt`, `rings`); rust and the patch are the same for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from edge.release.synthetic.bolt import draw_bolt
from edge.release.synthetic.rings import draw_nut, draw_washer
from edge.release.synthetic.shapes import Mask, Part, Plane, Shape

KINDS = ("bolt", "nut", "washer")
DEFECTS = {  # by kind
    "bolt": ("broken", "snapped", "bent", "stripped", "rusty"),
    "nut": ("broken", "cracked", "deformed", "rusty"),
    "washer": ("broken", "cracked", "deformed", "rusty"),
}
MARGIN = 12  # px around a part, for its shadow

_DRAW: Mapping[str, Callable[[np.random.Generator, Part, Plane, Plane], Shape]] = {
    "bolt": draw_bolt,
    "nut": draw_nut,
    "washer": draw_washer,
}


@dataclass(frozen=True)
class Relief:
    """A drawn part, as planes of one patch of the picture.

    alpha: share of the pixel that it covers, 0..1; height: px above the belt; rust: 0..1;
    evidence: where the defect shows (all False for a whole part); across, down: px from the
    part's centre; turned: whether its top was turned on a lathe.
    """

    alpha: Plane
    height: Plane
    rust: Plane | None
    evidence: Mask
    across: Plane
    down: Plane
    turned: bool


def draw_part(rng: np.random.Generator, part: Part) -> Relief:
    """Draw a part into a patch just large enough for it and its shadow."""
    across, down = _patch(part)
    cos, sin = np.float32(np.cos(part.angle)), np.float32(np.sin(part.angle))
    along, side = across * cos + down * sin, down * cos - across * sin
    shape = _DRAW[part.kind](rng, part, along, side)
    alpha = np.clip(np.float32(0.5) - shape.outline, 0, 1)
    rust = _draw_rust(rng, alpha) if part.defect == "rusty" else None
    evidence = shape.evidence if rust is None else rust > 0.5
    return Relief(alpha, shape.height, rust, evidence, across, down, part.kind != "bolt")


def _patch(part: Part) -> tuple[Plane, Plane]:
    """Distances from the part's centre, across and down, of every pixel of its patch."""
    reach = part.size / 2
    cos, sin = abs(np.cos(part.angle)), abs(np.sin(part.angle))
    # A bolt is slim, but for one that is bent: then it needs room on the sides.
    slim = {"bent": 0.45, "snapped": 0.35}.get(part.defect or "", 0.27)
    thickness = slim * part.size if part.kind == "bolt" else reach
    half_width = int(np.ceil(max(reach * cos + thickness * sin, thickness))) + MARGIN
    half_height = int(np.ceil(max(reach * sin + thickness * cos, thickness))) + MARGIN
    x = np.arange(-half_width, half_width + 1, dtype=np.float32)
    y = np.arange(-half_height, half_height + 1, dtype=np.float32)
    across, down = np.meshgrid(x, y)
    return across, down


def _draw_rust(rng: np.random.Generator, alpha: Plane) -> Plane:
    """Blotches over a third to two thirds of a part, 0..1."""
    height, width = alpha.shape
    coarse = _cloud(rng, height, width, 26)
    fine = _cloud(rng, height, width, 7)
    cloud = coarse + np.float32(0.3) * fine
    share = rng.uniform(0.35, 0.6)
    level = np.quantile(cloud[alpha > 0.5], 1 - share)
    rust: Plane = np.clip((cloud - np.float32(level)) * np.float32(3), 0, 1) * alpha
    return rust


def _cloud(rng: np.random.Generator, height: int, width: int, grain: int) -> Plane:
    """Smooth noise whose spots are about `grain` px wide."""
    coarse = rng.standard_normal((height // grain + 3, width // grain + 3), np.float32)
    cloud = cv2.resize(coarse, (width + grain, height + grain), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cloud[:height, :width], np.float32)
