"""YOLO: a text file for each image, one object a line: class, x, y, width, height in 0..1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from edge.release.datasets.coco import find_coco
from edge.release.datasets.pictures import image_files, read_text
from edge.release.datasets.raw_image import (
    AnnotationFormat,
    RawBox,
    RawImage,
    RawPart,
    format_names,
)
from edge.release.datasets.structures import DoubledKeyError, load_yaml, unique_keys
from edge.release.datasets.yolo_parts import YAML_FILES, PartImages, find_part
from edge.release.errors import DatasetError

NAME_FILES = ("classes.txt", "obj.names", "labels.txt")
_ADVICE = "write classes.txt, one name a line"


@dataclass(frozen=True)
class _Classes:
    """What a data set says of its objects. names: by the numbers that lines begin with."""

    names: Mapping[int, str]
    keypoints: int = 0  # numbers that follow each box: a data set of poses
    notes: Sequence[str] = ()  # what contradicts them


def _holds(folder: Path) -> bool:
    """Whether a folder holds annotations of this form."""
    return (folder / "labels").is_dir() or any(
        path.with_suffix(".txt").is_file() for path in image_files(folder)
    )


def _read(folder: Path, top: Path) -> RawPart:
    images = folder / "images"
    place = images if images.is_dir() else folder
    return _read_images(PartImages(image_files(place), place), top)


def _read_part(folder: Path, name: str) -> RawPart | None:
    """The images that the folder keeps apart, unless a COCO file is about them."""
    if find_coco(folder) or not _holds(folder):
        return None
    part = find_part(folder, name)
    return None if part is None else _read_images(part, folder)


def _read_images(part: PartImages, top: Path) -> RawPart:
    """The images of a folder or of a list, and the labels.

    An image without a text file is an image without objects.

    Args:
        part: the images.
        top: the folder of the data set, where the names of the classes are.

    Raises:
        DatasetError: there are no names, or a line cannot be understood, or no image has a text.
    """
    classes = _read_classes(top)
    found, bare = [], []
    _check_namesakes(part.paths)
    for path in part.paths:
        raw = RawImage(path, _text_file(path), relative=True)
        if raw.source.is_file():
            _read_file(raw, classes)
        else:
            bare.append(raw)
        found.append(raw)
    if found and len(bare) == len(found):
        raise DatasetError(
            f"no image in {part.place} has its text file: that of {found[0].path.name} would be"
            f" {found[0].source}"
        )
    labels = [classes.names[number] for number in sorted(classes.names)]
    notes = [*part.notes, *classes.notes, *_doubled(labels)]
    if part.place.is_dir():  # a list leaves out the texts of other parts
        notes += _orphans(found)
    if bare:
        notes.append(
            f"{len(bare)} of {len(found)} images have no text file and count as images without"
            f" objects: {format_names([raw.path.name for raw in bare])}"
        )
    return RawPart(found, list(dict.fromkeys(labels)), notes)


def _check_namesakes(images: Sequence[Path]) -> None:
    """Raises: DatasetError: two pictures go with one text, as a photograph and its mask do."""
    by_text: dict[Path, Path] = {}
    for path in images:
        text = _text_file(path)
        if by_text.setdefault(text, path) != path and text.is_file():
            raise DatasetError(
                f"{text} may be about {by_text[text]} or {path}: give each image a name of its own"
            )


def _doubled(labels: Sequence[str]) -> list[str]:
    return [
        f"{labels.count(name)} classes are called {name!r}: took them for one"
        for name in sorted({name for name in labels if labels.count(name) > 1})
    ]


def _orphans(found: Sequence[RawImage]) -> list[str]:
    """Text files that are about images which are not there."""
    texts = {raw.source for raw in found}
    known = {*NAME_FILES, "train.txt", "val.txt", "valid.txt", "test.txt"}
    left = [
        path
        for folder in sorted({text.parent for text in texts})
        for path in sorted(folder.glob("*.txt"))
        if path not in texts and path.name not in known and not _is_prose(path)
    ]
    if not left:
        return []
    names = format_names([path.name for path in left])
    return [f"left out {len(left)} text files without an image: {names}"]


def _is_prose(path: Path) -> bool:
    """Whether a text says something other than where objects are, as a read-me does."""
    try:
        words = path.read_bytes()[:200].split()
        return not words or float(words[0]) < 0
    except (OSError, ValueError):
        return True


def _text_file(image: Path) -> Path:
    """Beside the image, or under `labels/` where the image is under `images/`."""
    beside = image.with_suffix(".txt")
    parts = image.parts
    if beside.is_file() or "images" not in parts:
        return beside
    at = len(parts) - 1 - parts[::-1].index("images")
    return Path(*parts[:at], "labels", *parts[at + 1 :]).with_suffix(".txt")


def _read_file(raw: RawImage, classes: _Classes) -> None:
    for number, line in enumerate(read_text(raw.source).splitlines(), 1):
        if not line.strip():
            continue
        try:
            first, *values = (float(word) for word in line.split())
            box = _box(values, classes.keypoints)
            name = classes.names.get(int(first)) if first == int(first) else None
        except (ValueError, OverflowError):
            box = name = None
        if name is None or box is None:
            raise DatasetError(
                f"{raw.source}, line {number}, is {line[:60]!r}; right would be the class"
                f" ({_numbers(classes.names)}), then x, y, width and height as shares of the"
                f" image, 0 to 1{_sixth(line)}"
            )
        raw.add(box, name)


def _sixth(line: str) -> str:
    """What a line with one number too many mostly is."""
    if len(line.split()) != 6:
        return ""
    return (
        ". A sixth number is the confidence of a detector: what it has found is no truth to measure"
        " by; take the column away if somebody has checked these"
    )


def _numbers(names: Mapping[int, str]) -> str:
    """The numbers of the classes, for a message."""
    if sorted(names) == list(range(len(names))):
        return f"0 to {len(names) - 1}"
    return format_names([str(number) for number in sorted(names)], 10)


def _box(values: Sequence[float], keypoints: int) -> RawBox | None:
    """From centre and size, or from the outline that segmentation has; None if it is neither."""
    if keypoints and len(values) == 4 + keypoints:
        values = values[:4]
    if not values or max(values) > 1.5:  # pixels
        return None
    if len(values) == 4:
        x, y, width, height = values
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if len(values) >= 6 and len(values) % 2 == 0 and not keypoints:
        xs, ys = values[::2], values[1::2]
        return min(xs), min(ys), max(xs), max(ys)
    return None


def _read_classes(top: Path) -> _Classes:
    for name in YAML_FILES:
        if (top / name).is_file():
            classes = _yaml_classes(top / name)
            return replace(classes, notes=(*classes.notes, *_contradicted(classes, top, name)))
    for name in NAME_FILES:
        if (top / name).is_file():
            lines = [line.strip() for line in read_text(top / name).splitlines()]
            while lines and not lines[-1]:
                lines.pop()
            if "" in lines:
                raise DatasetError(
                    f"{top / name}, line {lines.index('') + 1}, is blank: is it a class without a"
                    " name, or none? Name it, or take the line away"
                )
            return _Classes(dict(enumerate(lines)))
    raise DatasetError(f"{top} does not say what its classes are called; {_ADVICE}")


def _contradicted(classes: _Classes, top: Path, taken: str) -> list[str]:
    """What another file says of the classes: labelling programs leave one with names in it."""
    names = [classes.names[number] for number in sorted(classes.names)]
    others = [top / name for name in NAME_FILES if (top / name).is_file()]
    return [
        f"{file.name} has other classes than {taken}, or another order: took those of {taken}"
        for file in others
        if _filled_lines(file) != names
    ]


def _filled_lines(file: Path) -> list[str] | None:
    """None: it cannot be read, which matters little where it is not needed."""
    try:
        lines = read_text(file).splitlines()
    except DatasetError:
        return None
    return [line.strip() for line in lines if line.strip()]


def _yaml_classes(file: Path) -> _Classes:
    """By a reader that takes `no` and `1` for the words that they are."""
    try:
        content = load_yaml(read_text(file))
        names = content["names"]
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            numbered = {number: name.strip() for number, name in enumerate(names)}
        elif isinstance(names, dict) and all(isinstance(name, str) for name in names.values()):
            numbered = unique_keys([(int(key), name.strip()) for key, name in names.items()])
        else:
            raise TypeError("names is neither a list nor numbered")
        per_point = [int(number) for number in content.get("kpt_shape", ())]
    except DoubledKeyError as error:
        raise DatasetError(f"{file} {error}") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{file} has no list called names; write names: [bolt, nut], or names: with 0: bolt,"
            " 1: nut below it"
        ) from error
    count, notes = str(content.get("nc", "")).strip(), []
    if count.isdecimal() and int(count) != len(numbered):
        notes = [f"{file.name} says nc: {count}, and names {len(numbered)} classes: took these"]
    return _Classes(numbered, per_point[0] * per_point[1] if len(per_point) == 2 else 0, notes)


YOLO = AnnotationFormat(holds=_holds, read=_read, read_part=_read_part)
