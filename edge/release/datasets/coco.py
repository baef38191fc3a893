"""COCO: one JSON file with `images`, `annotations` and `categories`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.release.datasets.raw_image import RawImage
from edge.release.errors import DatasetError


def find_coco(folder: Path, part: str = "") -> Path | None:
    """The first such file of a folder, of those whose names hold `part`; None if there is none."""
    files = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    return next((file for file in files if part in file.stem and _is_coco(file)), None)


def read_coco(file: Path) -> tuple[list[RawImage], list[str]]:
    """The images, and the labels in the order of their numbers.

    Raises:
        DatasetError: it is not as COCO has it, or an image is not there.
    """
    content: Mapping[str, Any] = json.loads(file.read_bytes())
    try:
        names = {one["id"]: str(one["name"]).strip() for one in content["categories"]}
        by_id = {}
        for one in content["images"]:
            raw = RawImage(_find_image(file, str(one["file_name"])), file, from_corner=True)
            if one.get("width") and one.get("height"):
                raw.size = (int(one["width"]), int(one["height"]))
            by_id[one["id"]] = raw
        for one in content["annotations"]:
            x, y, width, height = (float(value) for value in one["bbox"])
            box = (x, y, x + width, y + height)
            by_id[one["image_id"]].add(box, names[one["category_id"]], bool(one.get("iscrowd")))
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{file} is not as COCO has it ({type(error).__name__}: {error}); each annotation"
            " needs image_id, category_id and bbox [x, y, width, height] of an image and a"
            " category that are listed"
        ) from error
    used = {name for raw in by_id.values() for name in raw.names}
    # Some files list a first category that stands for nothing; no detector answers with it.
    labels = [
        names[key]
        for key in sorted(names, key=_order)
        if names[key] in used or names[key].lower() not in ("background", "???")
    ]
    return list(by_id.values()), labels


def _is_coco(file: Path) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def _order(category: object) -> tuple[bool, float, str]:
    if isinstance(category, (int, float)):
        return False, float(category), ""
    return True, 0.0, str(category)


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
