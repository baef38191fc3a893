"""Metal in the light of a scene: how a drawn part shines, and what shadow it casts."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.release.synthetic.parts import Relief
from edge.release.synthetic.shapes import Plane

Colour = tuple[float, float, float]  # blue, green, red, 0..255

METALS: tuple[tuple[Colour, float], ...] = (  # colour and how much it shines
    ((188, 186, 182), 1.0),  # stainless
    ((172, 166, 156), 0.8),  # zinc, bluish
    ((160, 160, 160), 0.6),  # plain steel
    ((128, 130, 132), 0.5),  # dull steel
    ((70, 70, 72), 0.45),  # blackened
    ((128, 178, 190), 0.8),  # yellow zinc
    ((104, 172, 196), 0.9),  # brass
)
ODDS = (0.24, 0.2, 0.2, 0.14, 0.12, 0.05, 0.05)
RUST: Colour = (34, 78, 142)


@dataclass(frozen=True)
class Lamp:
    """Where the light comes from: a unit vector to it (right, down, up), and how hard it is.

    hard: 0 (overcast) to 1 (a bare lamp).
    """

    direction: tuple[float, float, float]
    hard: float


def draw_lamp(rng: np.random.Generator) -> Lamp:
    """A lamp somewhere above the belt."""
    turn, rise = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.25)
    flat = np.cos(rise)
    direction = (float(flat * np.cos(turn)), float(flat * np.sin(turn)), float(np.sin(rise)))
    return Lamp(direction, float(rng.uniform(0.2, 1)))


def cut_grain(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Noise about 128 with a deviation of 32, independent per colour: shape = (h, w, 3)."""
    noise = _grain()
    rows, columns = noise.shape[:2]
    if height > rows // 2 or width > columns // 2:
        noise = np.tile(noise, (2 * height // rows + 1, 2 * width // columns + 1, 1))
        rows, columns = noise.shape[:2]
    top, left = rng.integers(0, rows - height + 1), rng.integers(0, columns - width + 1)
    return noise[top : top + height, left : left + width]


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.uint8]:
    # Drawing so many numbers takes as long as a scene: once is enough.
    noise = np.random.default_rng(20_260_101).standard_normal((1_024, 1_280, 3), np.float32)
    return np.clip(noise * 32 + 128, 0, 255).astype(np.uint8)


def shade(rng: np.random.Generator, relief: Relief, lamp: Lamp) -> NDArray[np.float32]:
    """The colours of a part, blue, green, red, 0..255: shape = (h, w, 3)."""
    metal = rng.choice(len(METALS), p=ODDS)
    colour, shine = METALS[metal]
    tone = np.float32(rng.uniform(0.8, 1.12))
    height, width = relief.alpha.shape
    slope_x = cv2.Sobel(relief.height, cv2.CV_32F, 1, 0, scale=0.125)
    slope_y = cv2.Sobel(relief.height, cv2.CV_32F, 0, 1, scale=0.125)
    steep = np.float32(1) / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    right, down, up = (np.float32(value) for value in lamp.direction)
    lit = np.maximum((up - slope_x * right - slope_y * down) * steep, 0)
    # Half way between the lamp and the eye, which is straight above.
    halfway = np.float32(np.sqrt(2 + 2 * up))
    glint = np.maximum((up + 1 - slope_x * right - slope_y * down) * steep / halfway, 0)
    for _ in range(4):  # to the power of 16
        glint = glint * glint
    light = np.float32(0.38) + np.float32(0.62) * lit
    light *= np.float32(0.55) + np.float32(0.45) * steep  # flanks mirror the dark surroundings
    gleam = np.float32(shine * (0.25 + 0.5 * lamp.hard)) * glint
    if relief.turned:
        # Fine rings left by the lathe mirror the lamp in two opposite fans.
        far = relief.across**2 + relief.down**2 + 1
        level = np.float32(np.hypot(right, down) + 1e-6)
        fan = (relief.across * (right / level) + relief.down * (down / level)) ** 2 / far
        gleam = gleam * np.float32(0.5) + np.float32(0.28 * shine) * (fan * fan) * steep
    speckle = cut_grain(rng, height, width)[:, :, 0].astype(np.float32) - 128
    light *= 1 + speckle * np.float32(rng.uniform(0.0006, 0.002))
    # What is reflected changes over the part.
    light *= 1 + relief.across * np.float32(rng.uniform(-0.0025, 0.0025))
    light *= 1 + relief.down * np.float32(rng.uniform(-0.0025, 0.0025))
    if relief.rust is not None:
        gleam = gleam * (1 - np.float32(0.9) * relief.rust)
    picture = np.empty((height, width, 3), np.float32)
    bright = gleam * np.float32(215)
    for channel in range(3):
        plane = light * (np.float32(colour[channel]) * tone) + bright
        if relief.rust is not None:
            mottled = np.float32(RUST[channel]) * (light + speckle * np.float32(0.006))
            plane += (mottled - plane) * relief.rust
        picture[:, :, channel] = plane
    return picture


def cast_shadow(relief: Relief, lamp: Lamp) -> Plane:
    """How much of the lamp the part takes from what lies below it, 0..1, over its patch."""
    reach = 4 + 5 * lamp.hard  # px
    shift = np.array(
        [[1, 0, -lamp.direction[0] * reach], [0, 1, -lamp.direction[1] * reach]], np.float32
    )
    height, width = relief.alpha.shape
    moved = cv2.warpAffine(relief.alpha, shift, (width, height))
    size = 5 if lamp.hard > 0.6 else 9
    soft = cv2.blur(cv2.blur(moved, (size, size)), (size, size))
    return np.asarray(soft, np.float32)
