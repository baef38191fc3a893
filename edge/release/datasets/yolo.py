"""YOLO: a text file for each image, one object a line: class, x, y, width, height in 0..1."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from edge.release.datasets.raw_image import RawBox, RawImage
from edge.release.errors import DatasetError
from edge.release.pictures import image_files, read_text


def is_yolo(folder: Path) -> bool:
    """Whether a folder holds annotations of this form."""
    return (folder / "labels").is_dir() or any(
        path.with_suffix(".txt").is_file() for path in image_files(folder)
    )


def read_yolo(images: Path, top: Path) -> tuple[list[RawImage], list[str]]:
    """The images in a folder, and the labels.

    An image without a text file is an image without objects.

    Args:
        images: where the images are.
        top: the folder of the data set, where the names of the classes are.

    Raises:
        DatasetError: there are no names, or a line cannot be understood.
    """
    names = _read_names(top)
    found = []
    for path in image_files(images):
        raw = RawImage(path, _text_file(path), relative=True)
        if raw.source.is_file():
            _read_file(raw, names)
        found.append(raw)
    return found, names


def _text_file(image: Path) -> Path:
    """Beside the image, or under `labels/` where the image is under `images/`."""
    beside = image.with_suffix(".txt")
    parts = image.parts
    if beside.is_file() or "images" not in parts:
        return beside
    at = len(parts) - 1 - parts[::-1].index("images")
    return Path(*parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")


def _read_file(raw: RawImage, names: Sequence[str]) -> None:
    for number, line in enumerate(read_text(raw.source).splitlines(), 1):
        if not line.strip():
            continue
        try:
            first, *values = (float(word) for word in line.split())
            box = _box(values)
            name = names[int(first)] if first >= 0 and first == int(first) else None
        except (ValueError, IndexError):
            box = name = None
        if name is None or box is None:
            raise DatasetError(
                f"{raw.source}, line {number}, is {line[:60]!r}; right would be the class (0 to"
                f" {len(names) - 1}), then x, y, width and height as shares of the image, 0 to 1"
            )
        raw.add(box, name)


def _box(values: Sequence[float]) -> RawBox | None:
    """From centre and size, or from the outline that segmentation has; None if it is neither."""
    if not values or max(values) > 1.5:  # pixels
        return None
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = values[::2], values[1::2]
        return min(xs), min(ys), max(xs), max(ys)
    return None


def _read_names(top: Path) -> list[str]:
    for name in ("data.yaml", "data.yml", "dataset.yaml"):
        if (top / name).is_file():
            return _yaml_names(top / name)
    for name in ("classes.txt", "obj.names", "labels.txt"):
        if (top / name).is_file():
            lines = read_text(top / name).splitlines()
            return [line.strip() for line in lines if line.strip()]
    raise DatasetError(
        f"{top} does not say what its classes are called; write classes.txt, one name a line"
    )


def _yaml_names(file: Path) -> list[str]:
    try:
        names = yaml.safe_load(read_text(file))["names"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DatasetError(f"{file} has no list called names") from error
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names)]
    return [str(name).strip() for name in names]
