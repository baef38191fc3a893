"""The shape of one part on the belt: bolt, nut or washer, whole or with a defect one can see.

A part is drawn straight in the place and rotation it will have in the picture, from distances to
its outline: that gives smooth edges without supersampling, its exact mask, and a height per pixel
from which `metal` shades it in the light of the scene. The only randomness is the generator given.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

KINDS = ("bolt", "nut", "washer")
DEFECTS = {  # by kind
    "bolt": ("broken", "snapped", "bent", "stripped", "rusty"),
    "nut": ("broken", "cracked", "deformed", "rusty"),
    "washer": ("broken", "cracked", "deformed", "rusty"),
}
MARGIN = 12  # px around a part, for its shadow

Plane = NDArray[np.float32]  # (h, w)


@dataclass(frozen=True)
class Part:
    """What is to be drawn.

    size: longest extent of the whole part in px; angle: of its axis in radians; defect: one of
    `DEFECTS[kind]`, or None.
    """

    kind: str
    size: float
    angle: float
    defect: str | None = None


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
    evidence: NDArray[np.bool_]
    across: Plane
    down: Plane
    turned: bool


def draw_part(rng: np.random.Generator, part: Part) -> Relief:
    """Draw a part into a patch just large enough for it and its shadow."""
    across, down = _patch(part)
    cos, sin = np.float32(np.cos(part.angle)), np.float32(np.sin(part.angle))
    along, side = across * cos + down * sin, down * cos - across * sin
    draw = {"bolt": _draw_bolt, "nut": _draw_nut, "washer": _draw_washer}[part.kind]
    outline, height, evidence = draw(rng, part, along, side)
    alpha = np.clip(np.float32(0.5) - outline, 0, 1)
    rust = None
    if part.defect == "rusty":
        rust = _draw_rust(rng, alpha)
        evidence = rust > 0.5
    return Relief(alpha, height, rust, evidence, across, down, part.kind != "bolt")


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


def _draw_bolt(
    rng: np.random.Generator, part: Part, along: Plane, side: Plane
) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """A hexagon head and a threaded shank, lying on its side, the head at the low end."""
    length = part.size
    radius = length * rng.uniform(0.095, 0.13)  # of the shank
    head_width = 2 * radius * rng.uniform(1.65, 1.85)
    head_height = 2 * radius * rng.uniform(0.6, 0.8)
    head_end = -length / 2 + head_height
    shank = length - head_height
    pitch = max(4.8, radius * rng.uniform(0.36, 0.5))
    thread_start = head_end + rng.choice([0.02, 0.02, rng.uniform(0.15, 0.3)]) * shank
    place = head_end + rng.uniform(0.35, 0.6) * shank  # of a defect along the shank
    gap = np.zeros(1, np.float32)
    evidence = np.zeros(along.shape, bool)
    if part.defect in ("bent", "snapped"):
        bend = rng.uniform(0.42, 0.75) if part.defect == "bent" else rng.uniform(0.12, 0.3)
        curve = length * rng.uniform(0.1, 0.25) if part.defect == "bent" else 1.0
        flip = np.float32(rng.choice([-1, 1]))
        if part.defect == "bent":
            place = head_end + rng.uniform(0.2, 0.4) * shank
        along, side = _bend(along, side * flip, place, bend, curve)
        evidence = along > place
    wave = _triangle(along / pitch + side / (4 * radius)) - np.float32(0.5)
    threaded = along > thread_start
    worn = np.zeros(1, np.float32)
    if part.defect == "stripped":
        smooth_from = head_end + rng.uniform(0.35, 0.5) * shank
        threaded &= along < smooth_from + radius * 0.3 * _jag(rng, side, radius)
        worn = np.where(along > smooth_from, np.float32(0.2 * radius), np.float32(0))
        evidence = along > smooth_from
    surface = np.float32(radius) + np.where(threaded, wave * np.float32(0.26 * radius), 0) - worn
    tip = np.float32(length / 2) - np.maximum(np.abs(side) - np.float32(0.72 * radius), 0)
    ends = along - tip
    if part.defect == "broken":
        slant = np.float32(rng.choice([-1, 1]) * rng.uniform(0.5, 0.9))
        end = place + slant * side + _jag(rng, side, radius) * (0.45 * radius)
        ends = along - end
        evidence = np.abs(ends) < radius * 0.9
    elif part.defect == "snapped":
        gap = np.abs(along - place - _jag(rng, side, radius) * (0.4 * radius)) - np.float32(
            rng.uniform(0.03, 0.05) * length
        )
        evidence = np.abs(along - place) < radius * 1.2
    body = np.maximum(np.maximum(np.abs(side) - surface, ends), np.float32(head_end) - along)
    if part.defect == "snapped":
        body = np.maximum(body, -gap)
    rise = np.sqrt(np.maximum(surface * surface - side * side, 0))
    head, head_rise = _draw_head(rng, along, side, length, head_height, head_width)
    outline = np.minimum(body, head)
    height = np.where(head < 0.5, head_rise, rise) + np.float32(head_width / 4)
    evidence &= outline < 0.5 if part.defect != "snapped" else True
    return outline, height, evidence


def _draw_head(
    rng: np.random.Generator,
    along: Plane,
    side: Plane,
    length: float,
    head_height: float,
    head_width: float,
) -> tuple[Plane, Plane]:
    """The hexagon head from the side: three faces, or two and the edge between them."""
    off = np.abs(side)
    middle = np.float32(-length / 2 + head_height / 2)
    corner = head_width / 2
    rise = (
        np.minimum(corner * 0.87, (corner - off) * np.float32(1.73))
        if rng.random() < 0.6
        else corner - off * np.float32(0.58)
    )
    outline = np.maximum(np.abs(along - middle) - np.float32(head_height / 2), off - corner)
    # The upper edge is chamfered: its corners are cut.
    chamfer = (off - corner) * np.float32(0.55) - (along + np.float32(length / 2)) + 0.22 * corner
    return np.maximum(outline, chamfer * np.float32(0.88)), rise.astype(np.float32)


def _draw_nut(
    rng: np.random.Generator, part: Part, along: Plane, side: Plane
) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """A hexagon with a chamfered top and a threaded hole, from above."""
    flat = np.float32(part.size / 2 * 0.866)  # centre to flat side
    half, tall = np.float32(0.5), np.float32(0.866)
    slanted = np.abs(along) * tall + np.abs(side) * half
    outer = np.maximum(np.abs(side), slanted) - flat
    distance = np.sqrt(along * along + side * side)
    bore = flat * rng.uniform(0.52, 0.62)
    hole = bore - distance
    evidence = np.zeros(along.shape, bool)
    if part.defect == "deformed":
        hole, evidence = _deform(rng, along, side, distance, float(bore), 0.3)
    thickness = np.float32(part.size * 0.16)
    chamfer = np.maximum(distance - flat * np.float32(0.93), 0) * np.float32(0.62)
    sink = np.maximum(hole + flat * np.float32(0.14), 0) * np.float32(0.9)
    # Below the rim, the thread's turns show as rings on the wall of the hole.
    depth = np.maximum(hole, 0)
    turns = _triangle(depth / max(2.6, 0.05 * part.size)) * np.float32(2.2)
    height = thickness - chamfer - sink - np.where(hole > 0, turns, 0)
    wall = bore * np.float32(0.2)
    outline = np.maximum(outer, hole - wall)
    return _damage(rng, part, along, side, outline, height, evidence)


def _draw_washer(
    rng: np.random.Generator, part: Part, along: Plane, side: Plane
) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """A flat ring with slightly rounded edges, from above."""
    radius = np.float32(part.size / 2)
    distance = np.sqrt(along * along + side * side)
    bore = radius * rng.uniform(0.46, 0.6)
    outer, hole = distance - radius, bore - distance
    evidence = np.zeros(along.shape, bool)
    if part.defect == "deformed":
        hole, evidence = _deform(rng, along, side, distance, float(bore), 0.36)
        outer = np.sqrt(along * along + (side * np.float32(1.22)) ** 2) - radius
        hole = np.maximum(hole, -radius)
    outline = np.maximum(outer, hole)
    edge = np.float32(max(1.5, 0.035 * part.size))
    height = np.float32(part.size * 0.05) - np.maximum(outline + edge, 0) * np.float32(0.8)
    return _damage(rng, part, along, side, outline, height, evidence)


def _deform(
    rng: np.random.Generator,
    along: Plane,
    side: Plane,
    distance: Plane,
    bore: float,
    lobe: float,
) -> tuple[Plane, NDArray[np.bool_]]:
    """A hole beaten out of round: distance into it, and where that shows."""
    far = np.maximum(distance, 1)
    x, y = along / far, side / far
    turn2, turn3 = rng.uniform(-0.4, 0.4), rng.uniform(0, 2 * np.pi)
    double = (x * x - y * y) * np.float32(np.cos(turn2)) - 2 * x * y * np.float32(np.sin(turn2))
    triple = x * (x * x - 3 * y * y) * np.float32(np.cos(turn3))
    triple -= y * (3 * x * x - y * y) * np.float32(np.sin(turn3))
    rim = bore * (np.float32(0.95) + np.float32(lobe) * double + np.float32(0.16) * triple)
    return np.asarray(rim - distance, np.float32), distance < bore * 1.5


def _damage(
    rng: np.random.Generator,
    part: Part,
    along: Plane,
    side: Plane,
    outline: Plane,
    height: Plane,
    evidence: NDArray[np.bool_],
) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """Break a piece off a round part, or crack it through."""
    if part.defect not in ("broken", "cracked"):
        return outline, height, evidence
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    out, aside = along * cos + side * sin, side * cos - along * sin
    reach = part.size / 2
    if part.defect == "broken":
        edge = reach * rng.uniform(0.05, 0.4) + _jag(rng, aside, reach) * (0.16 * reach)
        cut = out - edge
        evidence = (np.abs(cut) < 0.3 * reach) & (np.abs(aside) < reach)
    else:
        width = max(2.4, part.size * rng.uniform(0.028, 0.045))
        line = aside - _jag(rng, out, reach) * (0.13 * reach)
        opening = np.float32(width) * (np.float32(0.55) + out * np.float32(0.5 / reach))
        cut = np.minimum(opening - np.abs(line), out)
        evidence = (np.abs(aside) < 0.2 * reach) & (out > 0.2 * reach) & (out < reach)
    height = height - np.maximum(cut + np.float32(2.5), 0) * np.float32(0.9)
    return np.maximum(outline, cut), height, evidence


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


def _bend(
    along: Plane, side: Plane, place: float, bend: float, curve: float
) -> tuple[Plane, Plane]:
    """Coordinates along and beside an axis that turns by `bend` radians in an arc at `place`."""
    x, y = along - np.float32(place), np.float32(curve) - side
    angle = np.arctan2(x, y)
    cos, sin = np.float32(np.cos(bend)), np.float32(np.sin(bend))
    beyond_x, beyond_y = x * cos - y * sin, y * cos + x * sin
    arc_side = np.float32(curve) - np.sqrt(x * x + y * y)
    before, after = x <= 0, (angle > bend) | (y <= 0)
    new_along = np.where(after, beyond_x + np.float32(curve * bend), np.float32(curve) * angle)
    new_side = np.where(after, np.float32(curve) - beyond_y, arc_side)
    return (
        np.where(before, along, new_along + np.float32(place)),
        np.where(before, side, new_side),
    )


def _jag(rng: np.random.Generator, across: Plane, reach: float) -> Plane:
    """The run of a fracture: an irregular zigzag in -1..1 over a coordinate in -reach..reach."""
    stops = np.linspace(-reach, reach, 11)
    zigzag = rng.uniform(0.2, 1, 11) * np.where(np.arange(11) % 2, 1, -1)
    return np.interp(across, stops, zigzag).astype(np.float32)


def _triangle(phase: NDArray[np.floating]) -> Plane:
    """A wave of period 1 between 0 and 1."""
    return np.asarray(np.abs(2 * (phase - np.floor(phase)) - 1), np.float32)
