"""Labels in plain lines: one name a line, numbered lines, tables of two columns.

- One name a line; a first "???" stands for the background, which detectors with
  TFLite_Detection_PostProcess do not count, and is taken away.
- Numbered lines: "16 cat", "16: cat", "16 - cat", "16=cat", and tables of two columns, "16,cat" or
  "cat,16". Numbers are such if every line has one, they rise from 0 or 1 without wide gaps, or all
  from there on occur in any order, and the names differ without them: "1 cent" and "2 cent" are
  names.
"""

import csv
import re
from collections.abc import Sequence

from edge_detector.contract.manifest import HOLE

from edge.release.datasets.label_names import Labels, number_labels
from edge.release.errors import ModelFileError

_NUMBERED = re.compile(
    r"(\d+)(?:(\s*[:;.)=]\s+|\s+[-\u2013]\s+(?=\D)|\s*[:;=]|\s*,\s*(?=\D)|\s*\t\s*)"
    r"|\s+(?![-\u2013]\s))(\S.*)"
)
_QUOTED = re.compile(r"""(['"])(.*)\1,?""")
_QUOTES = re.compile(r"""(['"])(.*?)\1(?:\s*,\s*|\s*$)""")
_NUMBER_HEADS = frozenset({"id", "index", "number", "class_id", "classid", "class id", "#"})
_NAME_HEADS = frozenset({"name", "label", "class", "class_name", "classname", "class name"})
_PLAIN = "one name a line"


def read_lines(lines: Sequence[str], origin: str) -> Labels:
    """The labels of plain lines.

    Raises:
        ModelFileError: they are a table of more than two columns, or numbered twice.
    """
    filled = [line for line in lines if line]
    if len(filled) == 1 and len(in_one := _quoted_in_one(filled[0])) > 1:
        return Labels(tuple(in_one), origin, "one line, quoted and divided at its commas")
    table = _table(filled, origin)
    if table is not None:
        return table
    quoted = [_QUOTED.fullmatch(line) for line in filled]
    if filled and all(quoted):
        names = [match[2].strip() for match in quoted if match]
        return Labels(tuple(names), origin, f"{_PLAIN}, in quotes")
    numbered = _numbered(filled, origin)
    if numbered is not None:
        return numbered
    if len(filled) == 1 and "," in filled[0]:
        names = [name.strip() for name in filled[0].split(",")]
        return Labels(
            tuple(name for name in names if name), origin, "one line, divided at its commas"
        )
    names = [line or HOLE for line in lines]
    if names[0] == HOLE:
        return Labels(tuple(names[1:]), origin, f"{_PLAIN}, without the first ({HOLE})")
    return Labels(tuple(names), origin, _PLAIN)


def _quoted_in_one(line: str) -> list[str]:
    """The names of a line such as 'cat', 'dog'; empty if it is none."""
    found = list(_QUOTES.finditer(line))
    whole = "".join(match[0] for match in found) == line
    return [match[2].strip() for match in found] if whole else []


def _table(lines: Sequence[str], origin: str) -> Labels | None:
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
        return number_labels(pairs, origin, "numbers and names in two columns")
    return None


def _numbered(lines: Sequence[str], origin: str) -> Labels | None:
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
    return number_labels([(int(match[1]), match[3]) for match in found], origin, "lines")


def refuse_other_forms(lines: Sequence[str], origin: str) -> None:
    """Raises: ModelFileError: a line belongs to markup, settings, a structure or is a comment."""
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
