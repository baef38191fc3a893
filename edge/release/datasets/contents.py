"""The pictures of a data set, each read once: sizes, digests, and what is odd about them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.release.datasets.pictures import is_turned, open_picture, read_bytes
from edge.release.datasets.raw_image import RawImage, format_names
from edge.release.errors import DatasetError


@dataclass
class Contents:
    """What the pictures of a data set are like, in their order."""

    sizes: list[tuple[int, int]] = field(default_factory=list)  # width, height in px
    digests: list[bytes] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)  # names of those that EXIF data turn
    odd: list[tuple[Path, Sequence[str]]] = field(default_factory=list)


def read_contents(found: Sequence[RawImage], labels: Sequence[str]) -> Contents:
    """Read each picture once.

    Raises: DatasetError: it cannot be read, or its annotation is about other labels or pixels.
    """
    contents = Contents()
    for raw in found:
        unknown = sorted(set(raw.names).difference(labels))
        if unknown:
            raise DatasetError(
                f"{raw.source}: unknown label {unknown[0]!r}; known are {format_names(labels, 10)}"
            )
        content = read_bytes(raw.path)
        picture = open_picture(raw.path, content)
        height, width = picture.image.shape[:2]
        _check_size(raw, width, height)
        contents.sizes.append((width, height))
        contents.digests.append(hashlib.sha256(content).digest())
        contents.odd.append((raw.path, picture.notes))
        if raw.boxes and is_turned(content):
            contents.turned.append(raw.path.name)
    return contents


def _check_size(raw: RawImage, width: int, height: int) -> None:
    """Raises: DatasetError: the annotation is about an image of another size."""
    if raw.size and raw.size != (width, height):
        turned = ", turned by its EXIF data" if raw.size == (height, width) else ""
        raise DatasetError(
            f"{raw.source} is about an image of {raw.size[0]} x {raw.size[1]} pixels, but"
            f" {raw.path.name} has {width} x {height}{turned}; boxes would lie elsewhere"
        )
