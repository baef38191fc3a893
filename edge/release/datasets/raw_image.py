"""What annotations say about images before that is held against the images, and their formats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RawBox = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass
class RawImage:
    """An image and the objects that are said to be on it."""

    path: Path
    source: Path  # the annotation
    boxes: list[RawBox] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    ignored: list[bool] = field(default_factory=list)  # neither right nor wrong to find
    size: tuple[int, int] | None = None  # width, height in px, where the annotation names them
    whole_pixels: bool = False  # boxes name the first and last pixel, from 1 or 0 on
    relative: bool = False  # boxes are in 0..1 of the image instead of pixels
    from_corner: bool = False  # boxes came as a corner with width and height, or so it is said

    def centred(self) -> None:
        """Take what was said to be the corner of each box for its middle."""
        self.boxes = [
            (x0 - (x1 - x0) / 2, y0 - (y1 - y0) / 2, x0 + (x1 - x0) / 2, y0 + (y1 - y0) / 2)
            for x0, y0, x1, y1 in self.boxes
        ]

    def cornered(self) -> None:
        """Take what was said to be one point and a size of each box for its two corners."""
        at = 0.0 if self.from_corner else 0.5  # where in a box the point lies
        self.boxes = [
            (x0 + at * (x1 - x0), y0 + at * (y1 - y0), x1 - x0, y1 - y0)
            for x0, y0, x1, y1 in self.boxes
        ]

    def add(self, box: RawBox, name: str, ignored: bool = False) -> None:
        """Note an object."""
        self.boxes.append(box)
        self.names.append(name)
        self.ignored.append(ignored)


@dataclass
class RawPart:
    """The images of a data set, or of a part of it, as its annotations have them."""

    images: list[RawImage]
    labels: list[str] | None = None  # in their order, where the form has one
    notes: list[str] = field(default_factory=list)  # what was left out or guessed, to be told
    name: str = ""  # train, val, …; empty: it is no part


@dataclass(frozen=True)
class AnnotationFormat:
    """A format of annotations: a file of this package defines it, `annotations.FORMATS` lists it.

    All three raise DatasetError where annotations cannot be read.

    holds: whether a folder holds annotations of this format.
    read: the images of such a folder; the second one is that of the whole data set, which it may
        be a part of.
    read_part: a part ("train", "val") that the format itself keeps apart within a folder; None if
        it does not.
    lists_parts: by a list, which counts before parts that names of files suggest.
    """

    holds: Callable[[Path], bool]
    read: Callable[[Path, Path], RawPart]
    read_part: Callable[[Path, str], RawPart | None]
    lists_parts: bool = False


def format_names(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def describe_missing(file: Path, missing: Sequence[str], listed: int) -> str:
    """What a list names and nobody finds."""
    names = format_names(missing)
    return f"{len(missing)} of {listed} images that {file.name} lists are not there: {names}"
