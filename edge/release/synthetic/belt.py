"""The conveyor belt below the parts: its colour, weave, wear and dirt, and what strays onto it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.release.synthetic.metal import Colour, cut_grain

Picture = NDArray[np.uint8]  # (h, w, 3), blue, green, red

COLOURS: tuple[Colour, ...] = (
    (52, 54, 56),  # black rubber
    (84, 86, 88),  # grey
    (66, 96, 52),  # green
    (104, 76, 46),  # blue
    (132, 140, 146),  # light grey
    (148, 166, 176),  # beige
    (60, 74, 92),  # brown
)
ODDS = (0.26, 0.18, 0.2, 0.14, 0.08, 0.06, 0.08)


def draw_belt(rng: np.random.Generator, height: int, width: int) -> Picture:
    """An empty belt that moves from left to right, sometimes with its frame."""
    light = _wear(rng, height, width) + _weave(rng, height, width)
    speckle = cut_grain(rng, height, width)[:, :, 1].astype(np.float32) - 128
    light += speckle * np.float32(rng.uniform(0.0003, 0.0018))
    tone = rng.uniform(0.7, 1.3)
    colour = np.array(COLOURS[rng.choice(len(COLOURS), p=ODDS)]) * tone
    colour *= rng.uniform(0.92, 1.08, 3)
    level = cv2.convertScaleAbs(light, alpha=128.0)
    table = np.clip(np.arange(256)[:, None] / 128 * colour, 0, 255).astype(np.uint8)
    belt = np.asarray(cv2.LUT(cv2.merge([level] * 3), table.reshape(1, 256, 3)), np.uint8)
    if rng.random() < 0.2:
        _draw_seam(rng, belt)
    for _ in range(rng.poisson(1.2)):
        _draw_scratch(rng, belt)
    for _ in range(rng.poisson(0.7)):
        _draw_stain(rng, belt)
    for _ in range(rng.poisson(18)):
        _draw_speck(rng, belt)
    for _ in range(rng.poisson(1.2)):
        stray = (_draw_shaving, _draw_scrap, _draw_pebble)[rng.integers(3)]
        stray(rng, belt)
    if rng.random() < 0.2:
        _draw_rail(rng, belt)
    return belt


def _wear(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Slow changes of brightness about 1, drawn out along the belt."""
    coarse = rng.standard_normal((height // 48 + 3, width // 110 + 3), np.float32)
    coarse = np.float32(1) + coarse * np.float32(rng.uniform(0.01, 0.09))
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def _weave(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """The belt's pattern, about 0: none, ribs, fabric or diamonds."""
    pattern = rng.choice(["plain", "ribs", "fabric", "diamonds"], p=[0.3, 0.2, 0.3, 0.2])
    depth = np.float32(rng.uniform(0.02, 0.13))
    pitch = rng.uniform(5, 16) if pattern != "diamonds" else rng.uniform(12, 28)
    x = np.arange(width, dtype=np.float32) * np.float32(2 * np.pi / pitch) + rng.uniform(0, 6)
    y = np.arange(height, dtype=np.float32) * np.float32(2 * np.pi / pitch) + rng.uniform(0, 6)
    across, down = np.sin(x)[None, :], np.sin(y)[:, None]
    if pattern == "plain":
        return np.zeros((1, 1), np.float32)
    if pattern == "ribs":
        return np.asarray(depth * (across if rng.random() < 0.5 else down), np.float32)
    if pattern == "fabric":
        return np.asarray(depth * across * down, np.float32)
    # sin(x + y) * sin(x - y), by the sines of either
    return np.asarray(depth * (across * across - down * down), np.float32)


def _place(rng: np.random.Generator, belt: Picture) -> tuple[int, int]:
    return int(rng.integers(0, belt.shape[1])), int(rng.integers(0, belt.shape[0]))


def _near(rng: np.random.Generator, belt: Picture, x: int, y: int, factor: float) -> Colour:
    """The belt's own colour there, lighter or darker."""
    blue, green, red = (min(255.0, float(value) * factor) for value in belt[y, x])
    return blue, green, red


def _draw_seam(rng: np.random.Generator, belt: Picture) -> None:
    """Where the belt's ends are joined: a slanted line right across."""
    x, slant = int(rng.integers(0, belt.shape[1])), int(rng.integers(-60, 60))
    colour = _near(rng, belt, x, 0, rng.uniform(0.5, 0.75))
    ends = (x, 0), (x + slant, belt.shape[0])
    cv2.line(belt, *ends, colour, int(rng.integers(1, 4)), cv2.LINE_AA)


def _draw_scratch(rng: np.random.Generator, belt: Picture) -> None:
    x, y = _place(rng, belt)
    end = x + int(rng.integers(-140, 140)), y + int(rng.integers(-24, 24))
    cv2.line(belt, (x, y), end, _near(rng, belt, x, y, rng.uniform(0.7, 1.35)), 1, cv2.LINE_AA)


def _draw_stain(rng: np.random.Generator, belt: Picture) -> None:
    """Oil: a darker blot with a soft edge."""
    x, y = _place(rng, belt)
    reach = int(rng.integers(14, 55))
    left, top = max(x - reach, 0), max(y - reach, 0)
    spot = belt[top : y + reach, left : x + reach]
    mask = np.zeros(spot.shape[:2], np.uint8)
    for _ in range(3):
        middle = (
            x - left + int(rng.integers(-reach, reach) / 4),
            y - top + int(rng.integers(-reach, reach) / 4),
        )
        axes = int(rng.integers(reach // 3, reach)), int(rng.integers(reach // 4, reach // 2 + 1))
        cv2.ellipse(mask, middle, axes, rng.uniform(0, 180), 0, 360, 255, -1)
    soft = cv2.blur(mask, (9, 9)).astype(np.float32) * np.float32(rng.uniform(0.15, 0.5) / 255)
    spot[:] = (spot * (1 - soft[:, :, None])).astype(np.uint8)


def _draw_speck(rng: np.random.Generator, belt: Picture) -> None:
    x, y = _place(rng, belt)
    colour = _near(rng, belt, x, y, rng.choice([0.45, 0.6, 0.75, 1.4, 1.7]))
    cv2.circle(belt, (x * 8, y * 8), int(rng.integers(4, 20)), colour, -1, cv2.LINE_AA, shift=3)


def _draw_shaving(rng: np.random.Generator, belt: Picture) -> None:
    """A curl of metal from a lathe."""
    x, y = _place(rng, belt)
    bright = float(rng.uniform(110, 220))
    axes = int(rng.integers(5, 16)), int(rng.integers(3, 12))
    start, sweep = rng.uniform(0, 360), rng.uniform(120, 250)
    turn = rng.uniform(0, 180)
    for offset, factor in ((1, 0.25), (0, 1.0)):  # its shadow first
        colour = (bright * factor,) * 3
        centre = x + offset, y + offset
        cv2.ellipse(belt, centre, axes, turn, start, start + sweep, colour, 1, cv2.LINE_AA)


def _draw_scrap(rng: np.random.Generator, belt: Picture) -> None:
    """A torn bit of paper, tape or film."""
    x, y = _place(rng, belt)
    turns = np.sort(rng.uniform(0, 2 * np.pi, 5))
    reach = rng.uniform(5, 19, 5)
    corners = np.stack([x + reach * np.cos(turns), y + reach * np.sin(turns)], 1)
    colour = rng.choice([(190, 200, 205), (150, 120, 60), (60, 160, 190), (40, 40, 44)])
    tone = rng.uniform(0.6, 1.1)
    shape = (corners * 8).astype(np.int32)
    cv2.fillPoly(belt, [shape + 10], (20, 20, 20), cv2.LINE_AA, shift=3)
    cv2.fillPoly(belt, [shape], tuple(float(c) * tone for c in colour), cv2.LINE_AA, shift=3)


def _draw_pebble(rng: np.random.Generator, belt: Picture) -> None:
    """A crumb of dirt, or a round pin seen from its end."""
    x, y = _place(rng, belt)
    reach = int(rng.integers(3, 9))
    bright = float(rng.uniform(50, 190))
    cv2.circle(belt, (x + 2, y + 2), reach, (16, 16, 16), -1, cv2.LINE_AA)
    cv2.circle(belt, (x, y), reach, (bright * 0.92, bright * 0.97, bright), -1, cv2.LINE_AA)
    cv2.circle(belt, (x - 1, y - 1), reach // 2, (min(bright * 1.3, 255),) * 3, -1, cv2.LINE_AA)


def _draw_rail(rng: np.random.Generator, belt: Picture) -> None:
    """The frame along one side of the belt."""
    deep = int(rng.integers(10, 34))
    bright = rng.uniform(60, 190)
    rows = np.linspace(1.15, 0.75, deep, dtype=np.float32) * bright
    rail = np.clip(rows, 0, 255).astype(np.uint8)[:, None, None]
    if rng.random() < 0.5:
        belt[:deep] = rail
        belt[deep : deep + 5] //= 2
    else:
        belt[-deep:] = rail
        belt[-deep - 2 : -deep] //= 2
