"""COCO: one JSON file with `images`, `annotations` and `categories`."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pycocotools import mask

from edge.release.datasets.pictures import image_files
from edge.release.datasets.raw_image import (
    AnnotationFormat,
    RawBox,
    RawImage,
    RawPart,
    format_names,
)
from edge.release.errors import DatasetError

_NEEDED = (
    "each annotation needs image_id, category_id and bbox [x, y, width, height] of an image and a"
    " category that are listed"
)
_PART = re.compile(r"(?<![a-z])(trainval|train|val|test)")  # not: evaluation, constrained
_NOTHING = ("background", "???")  # a first category that no detector answers with


def find_coco(folder: Path, part: str = "") -> Path | None:
    """The first such file of a folder, of those that are about `part`; None if there is none."""
    files = (file for file in _json_files(folder) if part in ("", _part_of(file)))
    return next(filter(_is_coco, files), None)


def _part_of(file: Path) -> str | None:
    """The one part that a word of the file's name begins with."""
    parts = set(_PART.findall(file.stem.lower()))
    return parts.pop() if len(parts) == 1 else None


def _read(folder: Path) -> RawPart:
    part = _read_part(folder, "")
    if part is None:
        raise DatasetError(f"{folder} holds no COCO file")
    return part


def _read_part(folder: Path, name: str) -> RawPart | None:
    """The images of the file that is about the part; empty: of the first file."""
    file = find_coco(folder, name)
    if file is None:
        return None
    part = _read_file(file)
    others = _other_files(file, folder)
    if name:
        others = [other for other in others if _part_of(other) in (None, _part_of(file))]
    if others:
        names = format_names([other.name for other in others])
        part.notes.append(f"read {file.name} alone, and not {names} beside it")
    return part


def _read_file(file: Path) -> RawPart:
    """The images, and the labels in the order of their numbers.

    An object without a box gets the one around its outline, or its mask.

    Raises:
        DatasetError: it is not as COCO has it, or an image is not there; names the entry.
    """
    content: Mapping[str, Any] = json.loads(file.read_bytes())
    by_id = _images(file, content["images"])
    by_path = {raw.path: raw for raw in by_id.values()}
    names = _categories(file, content["categories"])
    outlined: Counter[bool] = Counter()
    for number, entry in enumerate(content["annotations"]):
        try:
            raw = by_id[entry["image_id"]]
            box, from_outline = _box(entry)
            raw.add(box, names[entry["category_id"]], bool(entry.get("iscrowd")))
            outlined[from_outline] += 1
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{file} is not as COCO has it: {_name_entry(entry, number)} is wrong"
                f" ({_fault(error)}); {_NEEDED}"
            ) from error
    used = {name for raw in by_id.values() for name in raw.names}
    labels, notes = _labels(content["categories"], names, used)
    if outlined[True]:
        notes.append(
            f"{outlined[True]} of {outlined.total()} objects have no bbox: took the one around"
            " their outline"
        )
    images = list(by_path.values())
    if len(images) < len(by_id):
        notes.append(f"{len(by_id) - len(images)} images are listed twice: took each for one")
    return RawPart(images, labels, [*notes, *_unlisted(file, images)])


def _other_files(file: Path, folder: Path) -> list[Path]:
    """The other such files of a folder, which are not read with this one."""
    return [other for other in _json_files(folder) if other != file and _is_coco(other)]


def _json_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])


def _is_coco(file: Path) -> bool:
    try:
        state = file.stat()
        return _holds_coco(file, state.st_mtime_ns, state.st_size)
    except OSError:
        return False


@lru_cache(maxsize=64)  # some have hundreds of megabytes
def _holds_coco(file: Path, modified_ns: int, size: int) -> bool:
    """What a file is that was changed then, and has this size."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def _images(file: Path, listed: Sequence[Any]) -> dict[object, RawImage]:
    by_id: dict[object, RawImage] = {}
    by_path: dict[Path, RawImage] = {}
    names: dict[Path, str] = {}
    for number, entry in enumerate(listed):
        try:
            name = str(entry["file_name"])
            raw = RawImage(_find_image(file, name), file, from_corner=True)
            _check_same(raw, names.setdefault(raw.path, name), name)
            if entry.get("width") and entry.get("height"):
                raw.size = (int(entry["width"]), int(entry["height"]))
            raw = by_path.setdefault(raw.path, raw)  # an image may be listed twice
            if by_id.setdefault(entry["id"], raw) is not raw:
                raise ValueError(
                    f"its id {entry['id']} is that of {by_id[entry['id']].path.name} too"
                )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{file} is not as COCO has it: {_name_entry(entry, number, 'image')} is wrong"
                f" ({_fault(error)}); each image needs an id of its own and a file_name"
            ) from error
    return by_id


def _check_same(raw: RawImage, *names: str) -> None:
    """Raises: DatasetError: two names are taken for one picture by their last part alone."""
    if len({Path(name) for name in names}) > 1 and not all(map(raw.path.match, names)):
        raise DatasetError(
            f"{raw.source} names {' and '.join(names)}; there is only {raw.path}: put both there"
        )


def _categories(file: Path, listed: Sequence[Any]) -> dict[object, str]:
    names: dict[object, str] = {}
    for number, entry in enumerate(listed):
        try:
            name = str(entry["name"]).strip()
            if not name or names.setdefault(entry["id"], name) != name:
                raise ValueError(f"its id {entry['id']} is that of {names.get(entry['id'])!r} too")
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{file} is not as COCO has it: {_name_entry(entry, number, 'category')} is wrong"
                f" ({_fault(error)}); each category needs an id of its own and a name"
            ) from error
    return names


def _labels(
    categories: Sequence[Mapping[str, Any]], names: Mapping[object, str], used: Collection[str]
) -> tuple[list[str], list[str]]:
    """The names of classes in the order of their numbers, and what is to be told of them."""
    notes = []
    parents = {str(category.get("supercategory") or "").strip() for category in categories}
    families = {
        str(category["name"]).strip()
        for category in categories
        if str(category.get("supercategory") or "none").strip().lower() == "none"
    }
    # An export's family name: it stands above the classes, no object is of it.
    roots = (families & parents) - set(used)
    kept: list[str] = []
    for key in sorted(names, key=_order):
        name = names[key]
        if name in roots or (name not in used and name.lower() in _NOTHING):
            continue
        if name in kept:
            notes.append(f"two categories are called {name!r}: took them for one")
        else:
            kept.append(name)
    notes += [
        f"left out the category {name!r}: other categories name it as what they belong to,"
        " and no object is of it"
        for name in sorted(roots)
    ]
    return kept, notes


def _box(annotation: Mapping[str, Any]) -> tuple[RawBox, bool]:
    """The corners of an object, and whether they are those of its outline.

    Raises:
        ValueError, TypeError, KeyError: it has neither a box nor an outline.
    """
    bbox, outline = annotation.get("bbox"), annotation.get("segmentation")
    if not bbox or (outline and not any(float(value) for value in bbox[2:])):
        if not outline:
            raise ValueError("it has neither a bbox nor a segmentation")
        return _around(outline), True
    if len(bbox) != 4:
        raise ValueError(f"its bbox has {len(bbox)} numbers")
    x, y, width, height = (float(value) for value in bbox)
    return (x, y, x + width, y + height), False


def _around(outline: Any) -> RawBox:
    """The box around polygons [[x, y, x, y, …], …], or around a mask by its run lengths."""
    if isinstance(outline, Mapping):
        height, width = (int(side) for side in outline["size"])
        encoded: Any = dict(outline)
        if isinstance(outline["counts"], list):
            if sum(outline["counts"]) != height * width:  # as no mask has it
                raise ValueError("the counts of its segmentation are not those of its size")
            encoded = mask.frPyObjects(encoded, height, width)
        x, y, wide, high = (float(value) for value in mask.toBbox(encoded))
        return x, y, x + wide, y + high
    parts = outline if isinstance(outline[0], list) else [outline]
    if not all(len(part) >= 6 and len(part) % 2 == 0 for part in parts):
        raise ValueError("its segmentation is no list of outlines [x, y, x, y, x, y, …]")
    xs = [float(value) for part in parts for value in part[::2]]
    ys = [float(value) for part in parts for value in part[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def _name_entry(entry: Any, number: int, kind: str = "annotation") -> str:
    """How an entry is found again: by its id, else by its place in the list."""
    known = entry.get("id") if isinstance(entry, Mapping) else None
    return f"the {kind} with id {known}" if known is not None else f"{kind} {number} (from 0)"


def _fault(error: Exception) -> str:
    if isinstance(error, KeyError):
        (key,) = error.args
        return f"no {key}" if isinstance(key, str) else f"no such number: {key}"
    return str(error)


def _order(category: object) -> tuple[bool, float, str]:
    if isinstance(category, (int, float)):
        return False, float(category), ""
    return True, 0.0, str(category)


def _unlisted(file: Path, images: Collection[RawImage]) -> list[str]:
    """Pictures that lie among those which are listed, where this is their only list."""
    if _other_files(file, file.parent):
        return []
    listed = {raw.path for raw in images}
    folders = {path.parent for path in listed}
    left = [
        path
        for folder in sorted(folders)
        for path in image_files(folder)
        if path.parent == folder and path not in listed
    ]
    if not left:
        return []
    names = ", ".join(path.name for path in left[:3]) + (", …" if len(left) > 3 else "")
    return [f"left out {len(left)} pictures that {file.name} does not list: {names}"]


def _find_image(file: Path, name: str) -> Path:
    """Beside the file, in `images/`, or in a folder of the part's name, as COCO's own have it.

    Addresses of the machine that wrote the file lead nowhere here: the last part counts then.
    """
    part = file.stem.removeprefix("instances_")
    places = [file.parent, file.parent / "images", file.parent / part]
    above = file.parent.parent
    if file.parent.name == "annotations":
        places += [above, above / "images", above / part, above / "images" / part]
    for wanted in (Path(name), Path(Path(name).name)):
        for place in places:
            if not wanted.is_absolute() and (place / wanted).is_file():
                return place / wanted
    raise DatasetError(f"{file} names {name}, which is not there; put the images beside the file")


COCO = AnnotationFormat(
    holds=lambda folder: find_coco(folder) is not None,
    read=lambda folder, _: _read(folder),
    read_part=_read_part,
)
