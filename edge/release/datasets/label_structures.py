"""Labels in structures: TensorFlow's label map, YAML, JSON, and COCO's categories in them.

Raises: ModelFileError: of every function: the text is damaged, or holds no names of classes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from edge_detector.contract.manifest import HOLE

from edge.release.datasets.label_names import Labels, is_background, number_labels
from edge.release.datasets.structures import (
    DoubledKeyError,
    load_json,
    load_literal,
    load_yaml,
)
from edge.release.errors import ModelFileError

LABEL_MAP_ITEM = re.compile(r"item\s*:?\s*\{", re.ASCII)
_FIELD = re.compile(
    r"""\b(id|name|display_name)\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\w+)"""
)
_NAMES_KEYS = ("names", "labels", "classes", "categories", "id2label")


def read_label_map(text: str, origin: str) -> Labels:
    """TensorFlow's own: item { id: 1 name: 'bolt' display_name: 'Bolt' }"""
    bare = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    _, *items = LABEL_MAP_ITEM.split(bare)
    pairs = []
    for place, item in enumerate(items, 1):
        fields = {match[1]: match[2] for match in reversed([*_FIELD.finditer(item)])}
        name = _unquoted(fields.get("display_name", fields.get("name", "")))
        if not fields.get("id", "").isdecimal() or not name:
            raise ModelFileError(
                f"{origin}, item {place}, lacks its id or its name; right would be"
                " item { id: 1 name: 'bolt' }"
            )
        pairs.append((int(fields["id"]), name))
    if not pairs:
        raise ModelFileError(f"{origin} has no item; right would be item {{ id: 1 name: 'bolt' }}")
    if (0, True) in [(number, is_background(name)) for number, name in pairs]:
        pairs = [(number, name) for number, name in pairs if number]
    first = 0 if any(not number for number, _ in pairs) else 1
    return number_labels(pairs, origin, "a label map", first)


def _unquoted(text: str) -> str:
    if text[:1] in ("'", '"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return text.strip()


def read_yaml(text: str, origin: str) -> Labels:
    """A list, or numbers and names, also under `names`, `labels` or `classes`."""
    try:
        content = load_yaml(text)
    except DoubledKeyError as error:
        raise ModelFileError(f"{origin} {error}") from error
    except yaml.YAMLError as error:
        fault = str(error).splitlines()[0]
        raise ModelFileError(f"{origin} looks like YAML and is none: {fault}") from error
    return _structure(content, origin, "YAML")


def read_json(text: str, origin: str) -> Labels:
    """The same in JSON, or as a literal of Python."""
    for read in (load_json, load_literal):
        try:
            content = read(text)
        except DoubledKeyError as error:
            raise ModelFileError(f"{origin} {error}") from error
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return _structure(content, origin, "JSON" if read is load_json else "a Python literal")
    raise ModelFileError(
        f"{origin} looks like JSON and is none; write one name a line, a list or a map of numbers"
        " and names"
    )


def _structure(content: Any, origin: str, form: str) -> Labels:
    """A list of names, numbers and names, or either under the usual key."""
    if isinstance(content, Mapping):
        for key in _NAMES_KEYS:
            if isinstance(content.get(key), (list, tuple, Mapping)):
                found = _structure(content[key], origin, f"{key} in {form}")
                _check_count(content.get("nc"), found, origin)
                return found
        return number_labels(_pairs(content, origin), origin, form)
    if isinstance(content, (list, tuple)) and content:
        if all(isinstance(entry, Mapping) and {"id", "name"} <= entry.keys() for entry in content):
            content = [entry for entry in content if not _is_root(entry, content)]
            pairs = {str(entry["id"]): entry["name"] for entry in content}
            if len(pairs) < len(content):
                raise ModelFileError(f"{origin} gives an id twice")
            return number_labels(_pairs(pairs, origin), origin, form)
        if all(isinstance(entry, (str, int, float)) for entry in content):
            names = [str(entry).strip() or HOLE for entry in content]
            return Labels(tuple(names[names[0] == HOLE :]), origin, f"a list in {form}")
    raise ModelFileError(
        f"{origin} is {form} without a list of names, or a map of numbers and names"
    )


def _is_root(category: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a category of COCO stands for all others, as Roboflow has it."""
    others = [other for other in categories if other is not category]
    return (
        str(category["id"]) == "0"
        and bool(others)
        and all(other.get("supercategory") == category["name"] for other in others)
    )


def _pairs(content: Mapping[Any, Any], origin: str) -> list[tuple[int, str]]:
    """Numbers and names, whichever of them is the key."""
    pairs = [(str(key).strip(), str(value).strip()) for key, value in content.items()]
    if all(key.isdecimal() for key, _ in pairs):
        return [(int(key), name) for key, name in pairs]
    if all(value.isdecimal() for _, value in pairs):
        return [(int(value), key) for key, value in pairs]
    raise ModelFileError(
        f"{origin} does not number its classes, but calls them"
        f" {', '.join(key for key, _ in pairs)[:200]}; give --labels FILE, one name a line"
    )


def _check_count(count: Any, found: Labels, origin: str) -> None:
    if str(count or "").isdecimal() and int(count) != len(found.names):
        raise ModelFileError(
            f"{origin} says nc: {count}, and names {len(found.names)} classes; one of them is wrong"
        )
