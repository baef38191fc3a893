"""What light and camera make of a scene: shadows, colour cast, blur, noise, compression."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.release.synthetic.belt import Picture
from edge.release.synthetic.metal import Lamp, cut_grain

COARSE = 8  # the light is worked out on a grid this many px wide
LEVEL = 100  # of the light map, where it changes nothing


@dataclass(frozen=True)
class Conditions:
    """How a picture is taken.

    light: factor per pixel and colour, 100 for no change, shape = (h, w, 3); focus_px: deviation
    of the blur; motion_px: travelled while the shutter is open; noise: deviation in grey levels;
    quality: of the JPEG compression, or None.
    """

    light: NDArray[np.uint8]
    focus_px: float
    motion_px: int
    noise: float
    quality: int | None


def draw_conditions(rng: np.random.Generator, lamp: Lamp, height: int, width: int) -> Conditions:
    """Light and camera of one picture: mostly fair, each fault now and then."""
    return Conditions(
        light=_draw_light(rng, lamp, height, width),
        focus_px=float(rng.uniform(0.5, 1.4)) if rng.random() < 0.35 else 0.0,
        motion_px=int(rng.integers(3, 10)) if rng.random() < 0.3 else 0,
        noise=float(rng.uniform(0, 9) ** 2 / 9),
        quality=int(rng.integers(35, 95)) if rng.random() < 0.5 else None,
    )


def photograph(rng: np.random.Generator, image: Picture, conditions: Conditions) -> Picture:
    """The picture as it leaves the camera."""
    taken = cv2.multiply(image, conditions.light, scale=1 / LEVEL)
    if conditions.motion_px:
        taken = cv2.blur(taken, (conditions.motion_px, 1))
    if conditions.focus_px:
        taken = cv2.GaussianBlur(taken, (0, 0), conditions.focus_px)
    height, width = image.shape[:2]
    strength = conditions.noise / 32
    taken = cv2.addWeighted(taken, 1, cut_grain(rng, height, width), strength, -128 * strength)
    if conditions.quality is not None:
        _, packed = cv2.imencode(".jpg", taken, [cv2.IMWRITE_JPEG_QUALITY, conditions.quality])
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(taken, np.uint8)


def _draw_light(rng: np.random.Generator, lamp: Lamp, height: int, width: int) -> NDArray[np.uint8]:
    """Exposure, fall-off, colour temperature; sometimes a hot spot or the band of a shadow."""
    x = np.linspace(-1, 1, width // COARSE, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height // COARSE, dtype=np.float32)[:, None]
    slope = rng.uniform(0, 0.3)
    light = 1 + slope * (lamp.direction[0] * x + lamp.direction[1] * y)
    light = light - rng.uniform(0, 0.16) * (x * x + y * y)  # the lens darkens its corners
    if rng.random() < 0.3:
        spot_x, spot_y, reach = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.08, 0.5)
        light = light + rng.uniform(0.15, 0.6) * np.exp(
            -((x - spot_x) ** 2 + (y - spot_y) ** 2) / reach
        )
    if rng.random() < 0.3:
        turn, at = rng.uniform(0, np.pi), rng.uniform(-0.8, 0.8)
        band = np.abs(x * np.cos(turn) + y * np.sin(turn) - at) - rng.uniform(0.08, 0.45)
        shaded = np.clip(0.5 - band / rng.uniform(0.05, 0.3), 0, 1)
        light = light * (1 - rng.uniform(0.2, 0.55) * shaded)
    light = light * rng.uniform(0.6, 1.35)
    warm, tint = rng.uniform(-0.13, 0.13), rng.uniform(-0.03, 0.03)
    cast = np.array([1 - warm, 1 + tint, 1 + warm])
    coarse = np.clip(light[:, :, None] * cast * LEVEL, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
