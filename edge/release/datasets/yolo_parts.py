"""Which images of a YOLO folder are for what: by `data.yaml`, by lists, or by folders in `images`.

Addresses of the machine that wrote them lead nowhere here: the end of a path counts then.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from edge.release.datasets.pictures import SUFFIXES, image_files, read_text
from edge.release.datasets.raw_image import describe_missing
from edge.release.datasets.structures import DoubledKeyError, load_yaml
from edge.release.errors import DatasetError

YAML_FILES = ("data.yaml", "data.yml", "dataset.yaml")


@dataclass
class PartImages:
    """The images of a part, and what is to be told of the list that names them."""

    paths: list[Path]
    place: Path  # a folder, or the list
    notes: list[str] = field(default_factory=list)


def find_part(top: Path, name: str) -> PartImages | None:
    """The images of a part ("train", "val"); None if the folder does not keep it apart.

    Raises: DatasetError: a list names images of which none is there.
    """
    for place in _places(top, name):
        if place.is_dir():
            return PartImages(image_files(place), place)
        if place.is_file() and (lines := _listed(place)):
            return _read_list(top, place, lines)
    return None


def _places(top: Path, name: str) -> Iterator[Path]:
    """Where the images of a part may be, what is written down first."""
    content = _yaml_content(top)
    entry = content.get(name)
    if isinstance(entry, str) and entry.strip():
        root = content.get("path")
        yield from (_below(base, entry) for base in (top, _below(top, str(root or "."))))
    yield top / f"{name}.txt"
    yield top / "images" / name


def _yaml_content(top: Path) -> dict[str, Any]:
    """What a YAML file says; nothing where it cannot be read: who needs its names says so."""
    file = next((top / name for name in YAML_FILES if (top / name).is_file()), None)
    try:
        content = load_yaml(read_text(file)) if file else None
    except (yaml.YAMLError, DoubledKeyError):
        content = None
    return content if isinstance(content, dict) else {}


def _below(top: Path, entry: str) -> Path:
    """A path within the folder; exports have it begin with `..` although it lies beside them."""
    path = Path(entry.strip())
    if path.is_relative_to(top.resolve()):
        path = path.relative_to(top.resolve())
    parts = list(path.parts)
    while parts and parts[0] in ("..", path.anchor):
        del parts[0]
    return top.joinpath(*parts)


def _listed(file: Path) -> list[str]:
    """The pictures that a text names, one a line; none if it is another kind of text."""
    lines = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    return lines if all(Path(line).suffix.lower() in SUFFIXES for line in lines) else []


def _read_list(top: Path, file: Path, lines: list[str]) -> PartImages:
    by_name: defaultdict[str, list[Path]] = defaultdict(list)
    for path in image_files(top):
        by_name[path.name].append(path)
    found: dict[Path, None] = {}
    missing = []
    for line in lines:
        path = _below(top, line)
        namesakes = by_name[path.name]
        if path in namesakes:
            found[path] = None
        elif len(namesakes) == 1:
            found[namesakes[0]] = None
        else:
            missing.append(line)
    part = PartImages(list(found), file)
    if missing:
        part.notes.append(describe_missing(file, missing, len(lines)))
    if not found:
        raise DatasetError(f"{file.parent}: {part.notes[0]}")
    return part
