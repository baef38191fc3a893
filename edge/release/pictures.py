"""Picture files, as OpenCV reads them, and the files beside them."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.release.errors import DatasetError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})

Image = npt.NDArray[np.uint8]  # (height, width, 3), BGR


def image_files(folder: Path) -> list[Path]:
    """All pictures in and below a folder, sorted by path; hidden files are none."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def read_image(path: Path) -> Image:
    """A picture, turned as its EXIF data say.

    Raises:
        DatasetError: it cannot be read.
    """
    return decode_image(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        DatasetError: it cannot be read, or is no UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path} is no text in UTF-8: {error.reason}; save it as UTF-8"
        ) from error


def decode_image(path: Path, content: bytes) -> Image:
    """The picture in the content of a file.

    Raises:
        DatasetError: it is none.
    """
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise DatasetError(f"{path} cannot be read as an image")
    return image.astype(np.uint8, copy=False)
