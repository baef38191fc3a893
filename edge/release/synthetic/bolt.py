"""A bolt on its side: a hexagon head and a threaded shank, whole or with a defect."""

import numpy as np

from edge.release.synthetic.shapes import Part, Plane, Shape, fracture, triangle_wave


def draw_bolt(rng: np.random.Generator, part: Part, along: Plane, side: Plane) -> Shape:
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
    evidence = np.zeros(along.shape, bool)
    if part.defect in ("bent", "snapped"):
        bend = rng.uniform(0.42, 0.75) if part.defect == "bent" else rng.uniform(0.12, 0.3)
        curve = length * rng.uniform(0.1, 0.25) if part.defect == "bent" else 1.0
        flip = np.float32(rng.choice([-1, 1]))
        if part.defect == "bent":
            place = head_end + rng.uniform(0.2, 0.4) * shank
        along, side = _bend(along, side * flip, place, bend, curve)
        evidence = along > place
    wave = triangle_wave(along / pitch + side / (4 * radius)) - np.float32(0.5)
    threaded = along > thread_start
    worn = np.zeros(1, np.float32)
    if part.defect == "stripped":
        smooth_from = head_end + rng.uniform(0.35, 0.5) * shank
        threaded &= along < smooth_from + radius * 0.3 * fracture(rng, side, radius)
        worn = np.where(along > smooth_from, np.float32(0.2 * radius), np.float32(0))
        evidence = along > smooth_from
    surface = np.float32(radius) + np.where(threaded, wave * np.float32(0.26 * radius), 0) - worn
    tip = np.float32(length / 2) - np.maximum(np.abs(side) - np.float32(0.72 * radius), 0)
    ends = along - tip
    if part.defect == "broken":
        slant = np.float32(rng.choice([-1, 1]) * rng.uniform(0.5, 0.9))
        end = place + slant * side + fracture(rng, side, radius) * (0.45 * radius)
        ends = along - end
        evidence = np.abs(ends) < radius * 0.9
    body = np.maximum(np.maximum(np.abs(side) - surface, ends), np.float32(head_end) - along)
    if part.defect == "snapped":
        off_break = np.abs(along - place - fracture(rng, side, radius) * (0.4 * radius))
        body = np.maximum(body, np.float32(rng.uniform(0.03, 0.05) * length) - off_break)
        evidence = np.abs(along - place) < radius * 1.2
    rise = np.sqrt(np.maximum(surface * surface - side * side, 0))
    head, head_rise = _draw_head(rng, along, side, length, head_height, head_width)
    outline = np.minimum(body, head)
    height = np.where(head < 0.5, head_rise, rise) + np.float32(head_width / 4)
    evidence &= outline < 0.5 if part.defect != "snapped" else True
    return Shape(outline, height, evidence)


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
