"""Pictures as they might have been: moved, scaled, mirrored, brightened, composed of four.

Every choice comes from the generator that is handed in, so that a training can be repeated.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_GREY = 114  # of what lies outside a picture; devices pad with it too
_LEAST_VISIBLE = 0.3  # share of a box's area that must be left in the picture
_LEAST_SIDE_PX = 4.0


@dataclass(frozen=True)
class Sample:
    """A picture and what is on it.

    image: (H, W, 3) uint8, BGR; boxes: (n, 4) float32, x0, y0, x1, y1 in pixels; class_ids: (n,).
    """

    image: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are changed.

    scale: largest factor, and its inverse the smallest; shift: of the centre, as a share of the
    picture; any_orientation: things look the same upside down and on their side, as under a
    microscope or on a conveyor; mosaic: share of pictures composed of four.
    """

    scale: float = 1.5
    shift: float = 0.15
    any_orientation: bool = False
    mosaic: float = 0.5
    hue: float = 0.02
    saturation: float = 0.4
    value: float = 0.3


def augment(
    samples: list[Sample], height: int, width: int, how: Augmentation, rng: np.random.Generator
) -> Sample:
    """One picture of the size asked for, from one sample, or from four for a mosaic."""
    if len(samples) == 1:
        sample = _move(samples[0], height, width, how, rng)
    else:
        sample = _compose([_move(each, height, width, how, rng) for each in samples], rng)
    return Sample(_recolour(sample.image, how, rng), sample.boxes, sample.class_ids)


def _move(
    sample: Sample, height: int, width: int, how: Augmentation, rng: np.random.Generator
) -> Sample:
    factor = float(np.exp(rng.uniform(-1, 1) * np.log(how.scale)))
    centre = tuple(0.5 + rng.uniform(-how.shift, how.shift, 2))
    turn = int(rng.integers(4)) if how.any_orientation else 0
    return _warp(sample, height, width, factor, centre, turn, mirror=bool(rng.integers(2)))


def _warp(
    sample: Sample,
    height: int,
    width: int,
    factor: float,
    centre: tuple[float, ...],
    turn: int,
    mirror: bool,
) -> Sample:
    """Mirror, turn by quarters, scale from the size that fits the whole, and move the centre."""
    rows, columns = sample.image.shape[:2]
    upright = (rows, columns) if turn % 2 == 0 else (columns, rows)
    scale = factor * min(height / upright[0], width / upright[1])
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn]
    linear = scale * np.array([[cos, -sin], [sin, cos]], np.float64)
    if mirror:
        linear[:, 0] *= -1
    offset = np.array([width, height]) * centre - linear @ (np.array([columns, rows]) / 2)
    image = cv2.warpAffine(
        sample.image,
        # OpenCV's pixels are at their centres, boxes count from their corners
        np.column_stack([linear, offset + linear @ (0.5, 0.5) - 0.5]),
        (width, height),
        flags=cv2.INTER_LINEAR,  # as devices resize
        borderValue=(_GREY,) * 3,
    )
    corners = sample.boxes.reshape(-1, 2, 2) @ linear.T + offset
    return _cut(image, np.concatenate([corners.min(1), corners.max(1)], 1), sample.class_ids)


def _compose(samples: list[Sample], rng: np.random.Generator) -> Sample:
    """Four pictures of one size, each cut to its quarter round a random meeting point."""
    height, width = samples[0].image.shape[:2]
    x, y = (int(size * rng.uniform(0.3, 0.7)) for size in (width, height))
    image = np.empty_like(samples[0].image)
    parts = []
    quarters = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    for sample, (x0, y0, x1, y1) in zip(samples, quarters, strict=True):
        dx, dy = (width - x1 + x0) // 2, (height - y1 + y0) // 2  # the middle of each picture
        image[y0:y1, x0:x1] = sample.image[dy : dy + y1 - y0, dx : dx + x1 - x0]
        cut = sample.image[dy : dy + y1 - y0, dx : dx + x1 - x0]
        part = _cut(cut, sample.boxes - np.array([dx, dy, dx, dy]), sample.class_ids)
        parts.append((part.boxes + np.array([x0, y0, x0, y0]), part.class_ids))
    boxes, class_ids = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Sample(image, boxes.astype(np.float32), class_ids)


def _cut(image: np.ndarray, boxes: np.ndarray, class_ids: np.ndarray) -> Sample:
    """Boxes clipped to the picture, without those of which too little is left."""
    height, width = image.shape[:2]
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    clipped = boxes.clip(0, [width, height, width, height])
    sides = clipped[:, 2:] - clipped[:, :2]
    kept = (sides.min(1) >= _LEAST_SIDE_PX) & (sides.prod(1) >= _LEAST_VISIBLE * whole)
    return Sample(image, clipped[kept].astype(np.float32), class_ids[kept])


def _recolour(image: np.ndarray, how: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Hue, saturation and value, each by a table, so that it costs one pass."""
    turn, saturation, value = rng.uniform(-1, 1, 3) * (how.hue, how.saturation, how.value)
    x = np.arange(256)
    tables = (
        ((x + turn * 180) % 180).astype(np.uint8),
        (x * (1 + saturation)).clip(0, 255).astype(np.uint8),
        (x * (1 + value)).clip(0, 255).astype(np.uint8),
    )
    hsv = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    changed = cv2.merge([cv2.LUT(part, table) for part, table in zip(hsv, tables, strict=True)])
    return cv2.cvtColor(changed, cv2.COLOR_HSV2BGR)
