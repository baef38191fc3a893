"""The names of classes in a text, in each of the forms that they are kept in.

Class 0 comes first, "???" is a hole. Read are:

- one name a line; a first "???" stands for the background, which detectors with
  TFLite_Detection_PostProcess do not count, and is taken away;
- numbered lines: "16 cat", "16: cat", "16 - cat", "16=cat", and tables of two columns, "16,cat" or
  "cat,16". Numbers are such if every line has one, they rise from 0 or 1 without wide gaps, or all
  from there on occur in any order, and the names differ without them: "1 cent" and "2 cent" are
  names;
- a label map of TensorFlow (`.pbtxt`), whose ids begin at 1;
- YAML and JSON: a list, or numbers and names, also under `names`, `labels` or `classes`; the
  categories of COCO.

Where numbers begin at 1, number 1 is class 0. What is none of these is refused by name.
"""

import ast
import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from edge_detector.contract.manifest import HOLE

from edge.release.errors import ModelFileError

_NUMBERED = re.compile(
    r"(\d+)(?:(\s*[:;.)=]\s+|\s+[-\u2013]\s+(?=\D)|\s*[:;=]|\s*,\s*(?=\D)|\s*\t\s*)"
    r"|\s+(?![-\u2013]\s))(\S.*)"
)
_QUOTED = re.compile(r"""(['"])(.*)\1,?""")
_TUPLE = re.compile(r"""\(\s*(['"]).*['"]\s*,?\s*\)""", re.DOTALL)
_QUOTES = re.compile(r"""(['"])(.*?)\1(?:\s*,\s*|\s*$)""")
_ITEM = re.compile(r"item\s*:?\s*\{", re.ASCII)
_FIELD = re.compile(
    r"""\b(id|name|display_name)\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\w+)"""
)
_NAMES_KEYS = ("names", "labels", "classes", "categories", "id2label")
_NUMBER_HEADS = frozenset({"id", "index", "number", "class_id", "classid", "class id", "#"})
_NAME_HEADS = frozenset({"name", "label", "class", "class_name", "classname", "class name"})
_BACKGROUND = re.compile(r"[\W_]*(background|none_of_the_above|bg)[\W_]*", re.IGNORECASE)
_PLAIN = "one name a line"


@dataclass(frozen=True)
class Names:
    """What was read, and how."""

    names: tuple[str, ...]
    form: str


def is_background(name: str) -> bool:
    """Whether a name stands for what is no object."""
    return name == HOLE or _BACKGROUND.fullmatch(name) is not None


def parse_names(text: str, origin: str, suffix: str = "") -> Names:
    """The names in a text.

    Args:
        text: the content of a file.
        origin: what it is called in errors.
        suffix: of the file's name, in lower case.

    Raises:
        ModelFileError: it is none of the forms, names no class, or names one twice.
    """
    found = _parse(text.strip(), origin, suffix)
    known = [name for name in found.names if name != HOLE]
    if not known:
        raise ModelFileError(f"{origin} names no class; write one name a line")
    doubled = sorted({name for name in known if known.count(name) > 1})
    if doubled:
        raise ModelFileError(f"{origin} names {doubled[0]!r} twice; each class needs its own name")
    return found


def _parse(text: str, origin: str, suffix: str) -> Names:
    if suffix == ".pbtxt" or _ITEM.match(text):
        return _label_map(text, origin)
    if suffix in (".yaml", ".yml") or re.search(r"^names\s*:", text, re.MULTILINE):
        return _yaml(text, origin)
    if suffix == ".json" or text[:1] in ("[", "{") or _TUPLE.fullmatch(text):
        return _json(text, origin)
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    _refuse_other_forms(lines, origin)
    if all(line.startswith("- ") for line in lines):
        return _yaml(text, origin)
    return _lines(lines, origin)


# Lines


def _lines(lines: Sequence[str], origin: str) -> Names:
    filled = [line for line in lines if line]
    if len(filled) == 1 and len(in_one := _quoted_in_one(filled[0])) > 1:
        return Names(tuple(in_one), "one line, quoted and divided at its commas")
    table = _table(filled, origin)
    if table is not None:
        return table
    quoted = [_QUOTED.fullmatch(line) for line in filled]
    if filled and all(quoted):
        names = [match[2].strip() for match in quoted if match]
        return Names(tuple(names), f"{_PLAIN}, in quotes")
    numbered = _numbered(filled)
    if numbered is not None:
        return numbered
    if len(filled) == 1 and "," in filled[0]:
        names = [name.strip() for name in filled[0].split(",")]
        return Names(tuple(name for name in names if name), "one line, divided at its commas")
    names = [line or HOLE for line in lines]
    if names[0] == HOLE:
        return Names(tuple(names[1:]), f"{_PLAIN}, without the first ({HOLE})")
    return Names(tuple(names), _PLAIN)


def _quoted_in_one(line: str) -> list[str]:
    """The names of a line such as 'cat', 'dog'; empty if it is none."""
    found = list(_QUOTES.finditer(line))
    whole = "".join(match[0] for match in found) == line
    return [match[2].strip() for match in found] if whole else []


def _table(lines: Sequence[str], origin: str) -> Names | None:
    """Two columns, of which one has numbers."""
    for separator in ("\t", ",", ";"):
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
        widths = {len(row) for row in rows}
        if len(widths) != 1 or widths == {1} or len(rows) < len(lines):
            continue
        heads = [head.lower() for head in rows[0]]
        headed = bool(_NUMBER_HEADS & {*heads}) and bool(_NAME_HEADS & {*heads})
        body = rows[1:] if headed else rows
        numbers = [k for k in range(len(heads)) if body and all(row[k].isdecimal() for row in body)]
        if len(heads) > 2 and (numbers or headed):
            raise ModelFileError(
                f"{origin} is a table of {len(heads)} columns; write one name a line, or two"
                " columns: number and name"
            )
        if len(numbers) != 1 or len(heads) != 2:
            continue
        number = numbers[0]
        if not headed and separator != "\t" and any(row[1 - number][:1].isdigit() for row in body):
            continue  # 0,5 mm
        pairs = [(int(row[number]), row[1 - number]) for row in body]
        return _by_number(pairs, origin, "numbers and names in two columns")
    return None


def _numbered(lines: Sequence[str]) -> Names | None:
    """The names by their numbers, where the numbers are not part of the names."""
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    found = [match for match in matches if match]
    if not found or len(found) < len(lines):
        return None
    numbers = [int(match[1]) for match in found]
    names = [match[3] for match in found if match[3] != HOLE]
    separated = all(match[2] for match in found)
    widest = 10 * len(numbers) + 10 if separated else 2 * len(numbers) + numbers[0]
    first = 0 if 0 in numbers else 1
    if (separated or not first) and sorted(numbers) == [*range(first, first + len(numbers))]:
        numbers.sort()  # each is there once, in whatever order the lines are
    if (
        (numbers[0] > 1 and not separated)
        or numbers != sorted(set(numbers))
        or numbers[-1] > widest
        or len(set(names)) < len(names)
    ):
        return None
    return _by_number([(int(match[1]), match[3]) for match in found], "", "lines")


def _refuse_other_forms(lines: Sequence[str], origin: str) -> None:
    if lines[0].startswith("<"):
        raise ModelFileError(f"{origin} is XML or HTML; write one name a line")
    for number, line in enumerate(lines, 1):
        if re.match(r"(names|classes|labels)\s*=", line, re.IGNORECASE):
            raise ModelFileError(
                f"{origin}, line {number}, is {line[:60]!r}, a setting; give the file with the"
                " names themselves, one a line"
            )
        if re.fullmatch(r"[{}\[\]]+,?|.*\S\s*\{", line):
            raise ModelFileError(
                f"{origin}, line {number}, is {line[:60]!r}, which is no name; write one name a"
                " line, or name the file for what it is: .pbtxt, .yaml or .json"
            )
        if line.startswith(("# ", "//")):
            raise ModelFileError(
                f"{origin}, line {number}, is {line[:60]!r}; a comment would count as a class: take"
                " it out"
            )


# Structures


def _label_map(text: str, origin: str) -> Names:
    """TensorFlow's own: item { id: 1 name: 'bolt' display_name: 'Bolt' }"""
    bare = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    _, *items = _ITEM.split(bare)
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
    return _by_number(pairs, origin, "a label map", first)


def _unquoted(text: str) -> str:
    if text[:1] in ("'", '"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return text.strip()


def _yaml(text: str, origin: str) -> Names:
    try:
        # All scalars stay text: no and 007 may be names.
        content = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        fault = str(error).splitlines()[0]
        raise ModelFileError(f"{origin} looks like YAML and is none: {fault}") from error
    return _structure(content, origin, "YAML")


def _json(text: str, origin: str) -> Names:
    for read in (json.loads, ast.literal_eval):
        try:
            content = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return _structure(content, origin, "JSON" if read is json.loads else "a Python literal")
    raise ModelFileError(
        f"{origin} looks like JSON and is none; write one name a line, a list or a map of numbers"
        " and names"
    )


def _structure(content: Any, origin: str, form: str) -> Names:
    """A list of names, numbers and names, or either under the usual key."""
    if isinstance(content, Mapping):
        for key in _NAMES_KEYS:
            if isinstance(content.get(key), (list, tuple, Mapping)):
                found = _structure(content[key], origin, f"{key} in {form}")
                _check_count(content.get("nc"), found, origin)
                return found
        return _by_number(_pairs(content, origin), origin, form)
    if isinstance(content, (list, tuple)) and content:
        if all(isinstance(one, Mapping) and {"id", "name"} <= one.keys() for one in content):
            content = [one for one in content if not _is_root(one, content)]
            pairs = {str(one["id"]): one["name"] for one in content}
            if len(pairs) < len(content):
                raise ModelFileError(f"{origin} gives an id twice")
            return _by_number(_pairs(pairs, origin), origin, form)
        if all(isinstance(one, (str, int, float)) for one in content):
            names = [str(one).strip() or HOLE for one in content]
            return Names(tuple(names[names[0] == HOLE :]), f"a list in {form}")
    raise ModelFileError(
        f"{origin} is {form} without a list of names, or a map of numbers and names"
    )


def _is_root(one: Mapping[str, Any], categories: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a category of COCO stands for all others, as Roboflow has it."""
    others = [other for other in categories if other is not one]
    return (
        str(one["id"]) == "0"
        and bool(others)
        and all(other.get("supercategory") == one["name"] for other in others)
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


def _check_count(count: Any, found: Names, origin: str) -> None:
    if str(count or "").isdecimal() and int(count) != len(found.names):
        raise ModelFileError(
            f"{origin} says nc: {count}, and names {len(found.names)} classes; one of them is wrong"
        )


def _by_number(
    pairs: Sequence[tuple[int, str]], origin: str, form: str, first: int | None = None
) -> Names:
    """first: the number of class 0; by default 1 where that is the lowest, else 0."""
    by_number = dict(pairs)
    if not pairs:
        return Names((), form)
    if len(by_number) < len(pairs):
        doubled = next(n for n, _ in pairs if [number for number, _ in pairs].count(n) > 1)
        raise ModelFileError(f"{origin} gives the number {doubled} twice; each class has its own")
    if max(by_number) > 10 * len(pairs) + 1_000:
        raise ModelFileError(f"{origin} gives a class the number {max(by_number)}: too high")
    lowest = min(by_number)
    first = (1 if lowest == 1 else 0) if first is None else first
    names = [by_number.get(number) or HOLE for number in range(first, max(by_number) + 1)]
    if first == 0 and lowest == 0 and names[0] == HOLE:
        names = names[1:]
    return Names(tuple(names), f"{form}, numbered from {lowest}")
