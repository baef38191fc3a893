"""Boxes that cannot stay as they were written: which, why, and how many may be left out.

Decisions on values: no file is touched here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.release.datasets.raw_image import RawImage

MAX_DROPPED = 0.05  # a larger share of boxes outside or without area: they belong elsewhere
FEW = 3  # so many may be dropped whatever the share
MANY_OUTSIDE = 0.1  # share of boxes that stick out from which on their form is in doubt
PROTRUDES = 1.0  # px; a box that sticks out by less was rounded, not wrong
SWAPPED = "whose corners are swapped (xmin > xmax or ymin > ymax, or a negative size)"
EMPTY = "which have no area or lie outside the image"
OUTSIDE = "which stick out of the image"


@dataclass
class Mended:
    """Boxes that could not stay as they were, by the annotations they are in."""

    clipped: Counter[Path] = field(default_factory=Counter)
    empty: Counter[Path] = field(default_factory=Counter)
    swapped: Counter[Path] = field(default_factory=Counter)
    kept: int = 0

    @property
    def boxes(self) -> int:
        """All that were looked at."""
        return self.kept + self.empty.total() + self.swapped.total()

    def fitted(
        self, raw: RawImage, width: int, height: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """The boxes of an image in its pixels, and which of them stay; counts the others."""
        given = np.asarray(raw.boxes, np.float64).reshape(-1, 4)
        if raw.relative:
            given = given * (width, height, width, height)
        boxes = given.clip(0, (width, height, width, height))
        swapped = (given[:, 2] < given[:, 0]) | (given[:, 3] < given[:, 1])
        # A comparison with NaN is false, so that such a box is left out.
        fit = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        far = (np.abs(boxes - given) > PROTRUDES).any(axis=1) & fit
        self.clipped += Counter({raw.source: int(far.sum())})  # adding drops zeros
        self.swapped += Counter({raw.source: int(swapped.sum())})
        self.empty += Counter({raw.source: int((~fit & ~swapped).sum())})
        self.kept += int(fit.sum())
        return boxes, fit

    def fault(self) -> str | None:
        """What is wrong with a data set that would lose too many boxes."""
        dropped = self.empty.total() + self.swapped.total()
        if dropped <= max(FEW, MAX_DROPPED * self.boxes):
            return None
        if self.swapped.total() > self.empty.total():
            first = next(iter(self.swapped))
            return (
                f"{self.swapped.total()} of {self.boxes} boxes have their corners swapped (xmin >"
                f" xmax or ymin > ymax, or a negative size), first in {first}; write the left and"
                " upper edge first"
            )
        return (
            f"{dropped} of {self.boxes} boxes have no area or lie outside their images, first in"
            f" {next(iter(self.empty))}; boxes are in pixels of the image"
        )

    def warnings(self) -> tuple[str, ...]:
        """What was left out and what was clipped, with the first files."""
        return tuple(
            f"{done} {found.total()} of {self.boxes} boxes, {fault}:"
            f" {listed([file.name for file in found], 3)}"
            for done, fault, found in (
                ("left out", EMPTY, self.empty),
                ("left out", SWAPPED, self.swapped),
                ("clipped", OUTSIDE, self.clipped),
            )
            if found
        )


def centre(found: Sequence[RawImage], sizes: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Some programs write the middle of a box where COCO has its corner.

    It shows: many boxes would stick out of their images, and as middles none does.
    """
    pairs = [pair for pair in zip(found, sizes, strict=True) if pair[0].from_corner]
    boxes = sum(len(one.boxes) for one, _ in pairs)
    outside = sum(_sticking_out(one, *size) for one, size in pairs)
    if outside <= max(FEW, MANY_OUTSIDE * boxes):
        return ()
    copies = [replace(one) for one, _ in pairs]
    for copy in copies:
        copy.centred()
    if any(_sticking_out(copy, *size) for copy, (_, size) in zip(copies, pairs, strict=True)):
        return ()
    for (one, _), copy in zip(pairs, copies, strict=True):
        one.boxes = copy.boxes
    return (
        f"took bbox for [middle x, middle y, width, height] instead of COCO's [left, top, width,"
        f" height]: {outside} of {boxes} boxes would stick out of their images, and so none does",
    )


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _sticking_out(raw: RawImage, width: int, height: int) -> int:
    """How many boxes end outside of the image."""
    return sum(
        min(x0, y0) < -PROTRUDES or x1 > width + PROTRUDES or y1 > height + PROTRUDES
        for x0, y0, x1, y1 in raw.boxes
    )
