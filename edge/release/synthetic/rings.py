"""Nuts and washers from above, whole or with a defect."""

import numpy as np

from edge.release.synthetic.shapes import Mask, Part, Plane, Shape, fracture, triangle_wave


def draw_nut(rng: np.random.Generator, part: Part, along: Plane, side: Plane) -> Shape:
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
    turns = triangle_wave(depth / max(2.6, 0.05 * part.size)) * np.float32(2.2)
    height = thickness - chamfer - sink - np.where(hole > 0, turns, 0)
    wall = bore * np.float32(0.2)
    outline = np.maximum(outer, hole - wall)
    return _damage(rng, part, along, side, Shape(outline, height, evidence))


def draw_washer(rng: np.random.Generator, part: Part, along: Plane, side: Plane) -> Shape:
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
    return _damage(rng, part, along, side, Shape(outline, height, evidence))


def _deform(
    rng: np.random.Generator,
    along: Plane,
    side: Plane,
    distance: Plane,
    bore: float,
    lobe: float,
) -> tuple[Plane, Mask]:
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
    shape: Shape,
) -> Shape:
    """Break a piece off a round part, or crack it through."""
    if part.defect not in ("broken", "cracked"):
        return shape
    turn = rng.uniform(0, 2 * np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    out, aside = along * cos + side * sin, side * cos - along * sin
    reach = part.size / 2
    if part.defect == "broken":
        edge = reach * rng.uniform(0.05, 0.4) + fracture(rng, aside, reach) * (0.16 * reach)
        cut = out - edge
        evidence = (np.abs(cut) < 0.3 * reach) & (np.abs(aside) < reach)
    else:
        width = max(2.4, part.size * rng.uniform(0.028, 0.045))
        line = aside - fracture(rng, out, reach) * (0.13 * reach)
        opening = np.float32(width) * (np.float32(0.55) + out * np.float32(0.5 / reach))
        cut = np.minimum(opening - np.abs(line), out)
        evidence = (np.abs(aside) < 0.2 * reach) & (out > 0.2 * reach) & (out < reach)
    height = shape.height - np.maximum(cut + np.float32(2.5), 0) * np.float32(0.9)
    return Shape(np.maximum(shape.outline, cut), height, evidence)
