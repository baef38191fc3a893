"""Boxes that cannot stay as they were written: which, why, and how many may be left out.

Decisions on values: no file is touched here.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.release.datasets.raw_image import RawBox, RawImage, format_names
from edge.release.errors import DatasetError

MAX_DROPPED = 0.05  # a larger share of boxes outside or without area: they belong elsewhere
FEW = 3  # so many may be dropped whatever the share
MANY_OUTSIDE = 0.1  # share of boxes that stick out from which on their form is in doubt
PROTRUDES = 1.0  # px; a box that sticks out by less was rounded, not wrong
SWAPPED = "whose corners are swapped (xmin > xmax or ymin > ymax, or a negative size)"
EMPTY = "which have no area or lie outside the image"
OUTSIDE = "which stick out of the image"
FIRST_PX = 2.0  # of width and height; no object lies whole within, shares (0 to 1) and sums do
SHARES = "which lie in the first two pixels of the image, as shares of it (0 to 1) do"


@dataclass
class Mended:
    """Boxes that could not stay as they were, by the annotations they are in."""

    clipped: Counter[Path] = field(default_factory=Counter)
    empty: Counter[Path] = field(default_factory=Counter)
    swapped: Counter[Path] = field(default_factory=Counter)
    shares: Counter[Path] = field(default_factory=Counter)
    doubled: Counter[Path] = field(default_factory=Counter)
    kept: int = 0

    @property
    def boxes(self) -> int:
        """All that were looked at."""
        left_out = (self.empty, self.swapped, self.shares)
        return self.kept + sum(found.total() for found in left_out)

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
        shares = fit & _within_first_pixels(raw, given)
        self.swapped += Counter({raw.source: int(swapped.sum())})  # adding drops zeros
        self.empty += Counter({raw.source: int((~fit & ~swapped).sum())})
        self.shares += Counter({raw.source: int(shares.sum())})
        self.doubled += Counter({raw.source: _repeated(raw)})
        fit &= ~shares
        far = (np.abs(boxes - given) > PROTRUDES).any(axis=1) & fit
        self.clipped += Counter({raw.source: int(far.sum())})
        self.kept += int(fit.sum())
        return boxes, fit

    def fault(self) -> str | None:
        """What is wrong with a data set that would lose too many boxes."""
        shares = self.shares.total()
        if shares > min(max(FEW, MAX_DROPPED * self.boxes), self.boxes / 2):
            return (
                f"{shares} of {self.boxes} boxes lie in the first two pixels of their images, first"
                f" in {next(iter(self.shares))}: they are shares of the image, 0 to 1, and this"
                " form has pixels; multiply them by width and height"
            )
        dropped = self.empty.total() + self.swapped.total() + shares
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
            f" {next(iter(self.empty + self.swapped + self.shares))}; boxes are in pixels of the"
            " image"
        )

    def warnings(self) -> tuple[str, ...]:
        """What was left out and what was clipped, with the first files."""
        counted = tuple(
            f"{done} {found.total()} of {self.boxes} boxes, {fault}:"
            f" {format_names([file.name for file in found])}"
            for done, fault, found in (
                ("left out", EMPTY, self.empty),
                ("left out", SWAPPED, self.swapped),
                ("left out", SHARES, self.shares),
                ("clipped", OUTSIDE, self.clipped),
            )
            if found
        )
        if self.doubled.total() <= FEW:
            return counted
        names = format_names([file.name for file in self.doubled])
        return (
            *counted,
            f"{self.doubled.total()} of {self.boxes} boxes repeat one of the same class in their"
            f" image, which no detector can find twice; take one of each pair away: {names}",
        )


def reread(found: Sequence[RawImage], sizes: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Take four numbers of each box for what they are, where that is not what the form has.

    Some programs write the middle of a box where COCO has its corner, or two corners where COCO
    and YOLO have one point and a size. It shows: many boxes would stick out of their images, and
    read otherwise none does.

    Raises:
        DatasetError: they stick out, and could be either of these.
    """
    pairs = [pair for pair in zip(found, sizes, strict=True) if not _names_each_number(pair[0])]
    boxes = sum(len(raw.boxes) for raw, _ in pairs)
    outside = sum(_sticking_out(raw, *size) for raw, size in pairs)
    if outside <= max(FEW, MANY_OUTSIDE * boxes):
        return ()
    corners = [replace(raw) for raw, _ in pairs]
    middles = [replace(raw) for raw, _ in pairs if raw.from_corner]
    for copy in corners:
        copy.cornered()
    for copy in middles:
        copy.centred()
    limits = [size for _, size in pairs]
    cornered = _fits(corners, limits)
    centred = len(middles) == len(pairs) and _fits(middles, limits)
    if not cornered and not centred:
        return ()
    if cornered and centred:
        raise DatasetError(
            f"{pairs[0][0].source}: {outside} of {boxes} boxes would stick out of their images;"
            " whether each is [middle x, middle y, width, height] or [left, top, right, bottom]"
            " cannot be told: write COCO's [left, top, width, height]"
        )
    for (raw, _), copy in zip(pairs, corners if cornered else middles, strict=True):
        raw.boxes = copy.boxes
    taken = "left, top, right, bottom" if cornered else "middle x, middle y, width, height"
    usual = "COCO's [left, top, width, height]"
    if not pairs[0][0].from_corner:
        usual = "YOLO's [middle x, middle y, width, height]"
    return (
        f"took {'bbox' if pairs[0][0].from_corner else 'each line'} for [{taken}] instead of"
        f" {usual}: {outside} of {boxes} boxes would stick out of their images, and so none does",
    )


def count_from_zero(images: Iterable[RawImage]) -> None:
    """Bring the boxes of all images of a data set from pixels counted from 1 to edges from 0.

    Pascal VOC counts pixels from 1 and means both ends; some writers count from 0. A 0 tells them,
    and it takes all parts of a data set to look for one.
    """
    found = [image for image in images if image.whole_pixels]
    first = min((min(box[:2]) for image in found for box in image.boxes), default=1.0)
    for image in found:
        image.whole_pixels = False
        if first >= 1:
            image.boxes = [_from_zero(box) for box in image.boxes]


def _from_zero(box: RawBox) -> RawBox:
    x0, y0, x1, y1 = box
    # Equal ends would mean one pixel, and are in fact a slip of the mouse: left without area.
    return (x0 - 1, y0 - 1, x1, y1) if x1 > x0 and y1 > y0 else box


def _names_each_number(raw: RawImage) -> bool:
    """As Pascal VOC does: none of the four is taken for another."""
    return not raw.from_corner and not raw.relative


def _fits(found: Sequence[RawImage], sizes: Sequence[tuple[int, int]]) -> bool:
    """Whether every box has an area and lies in its image."""
    ordered = all(x1 > x0 and y1 > y0 for raw in found for x0, y0, x1, y1 in raw.boxes)
    return ordered and not any(
        _sticking_out(raw, *size) for raw, size in zip(found, sizes, strict=True)
    )


def _sticking_out(raw: RawImage, width: int, height: int) -> int:
    """How many boxes end outside of the image."""
    across, down = (width, height) if raw.relative else (1, 1)
    return sum(
        min(x0 * across, y0 * down) < -PROTRUDES
        or x1 * across > width + PROTRUDES
        or y1 * down > height + PROTRUDES
        for x0, y0, x1, y1 in raw.boxes
    )


def _within_first_pixels(raw: RawImage, given: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which boxes, said to be in pixels, are so small and so far up and left as shares are."""
    if raw.relative:
        return np.zeros(len(given), np.bool_)
    return np.asarray(given.max(axis=1, initial=0.0) <= FIRST_PX, np.bool_)


def _repeated(raw: RawImage) -> int:
    """How many objects have the very box and class of one before them."""
    objects = list(zip(raw.boxes, raw.names, raw.ignored, strict=True))
    return len(objects) - len(set(objects))
