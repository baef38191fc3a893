"""Rows of JSON: one object per line, one array of objects, objects over several lines, or, as
older dumps have them, one Python literal per line. Literals are parsed and never evaluated.

A line that is no object fails alone, and so does an object that has two values for what is asked
for. Where objects are not one per line there is no telling where
the next one begins: there, what is damaged is the file.
"""

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.nested import has, make_object, reach, repeated_key
from tasks.sentiment.reading.raw_rows import (
    MAX_LINE_CHARACTERS,
    RawRow,
    RowReader,
    beginning,
    read_line,
)

OBJECTS_LOOKED_AT = 100  # an object need not have every key: those of the first ones count
LINES_LOOKED_AT = 1_000
CHARACTERS_LOOKED_AT = 4_000_000
PIECE_CHARACTERS = 65_536  # of text in which objects are not one per line
NOT_JSON = "not valid JSON"
NOT_A_LITERAL = "not a Python literal"
NOT_AN_OBJECT = "not a JSON object"

Object = dict[str, object]
ReadLine = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class _Fault:
    """What stands where an object should: what is wrong with it, and its beginning."""

    reason: str
    text: str


Found = Object | _Fault

_JSON = json.JSONDecoder(object_pairs_hook=make_object)
_ARRAY = re.compile(r"\s*\[\s*(?:[{\]]|$)")
_SPACE = re.compile(r"\s*")


class JsonReader(RowReader):
    """Rows of one JSON text; a key that an object lacks is None."""

    rows_differ = True

    def __init__(self, readline: ReadLine, file: str) -> None:
        """Look at the first objects.

        Args:
            readline: gives the next line; "" at the end.
        Raises: SourceError: its first lines hold no object. An empty file holds no rows.
        """
        self.place = file
        start = next((piece for piece in _pieces(readline) if not piece.isspace()), "")
        if _ARRAY.match(start):
            self.how, found = "JSON array", _decode(start, readline, file, is_array=True)
        else:
            self.how, found = _read_lines(start, readline, file)
        self._ahead = list(_look_ahead(found))
        self._rest = found
        first = [item for item in self._ahead if isinstance(item, dict)]
        if self._ahead and not first:
            raise SourceError(
                f"{file} cannot be read as JSON Lines: no JSON object in its first lines"
            )
        self.columns = list(dict.fromkeys(chain.from_iterable(first)))

    def require(self, columns: Sequence[str]) -> None:
        """Raises: SourceError: one of `columns` is a key of none of the first 100 objects."""
        if self._ahead:
            objects = [item for item in self._ahead if isinstance(item, dict)]
            nested = [
                name for name in columns if "." in name and any(has(item, name) for item in objects)
            ]
            super().require([name for name in columns if name not in nested])

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows; values are what JSON makes of them.

        Raises: SourceError: a line is longer than any text, or objects that are not one per line
            are damaged.
        """
        ahead, self._ahead = self._ahead, []
        paths = [name for name in columns if "." in name]
        for row_number, found in enumerate(chain(ahead, self._rest), start=1):
            if isinstance(found, _Fault):
                yield RawRow(row_number, self.place, None, found.reason, beginning(found.text))
            elif key := next(filter(None, (repeated_key(found, name) for name in columns)), None):
                start = beginning(json.dumps(found, default=str, ensure_ascii=False))
                yield RawRow(row_number, self.place, None, f"more than one key {key}", start)
            else:
                values = {name: found.get(name) for name in columns}
                for path in paths:
                    values[path] = reach(found, path)
                yield RawRow(row_number, self.place, values, None)


def _look_ahead(found: Iterator[Found]) -> Iterator[Found]:
    """The first objects, and what stands between them."""
    objects = characters = 0
    for item in islice(found, LINES_LOOKED_AT):
        yield item
        objects += isinstance(item, dict)
        characters += len(str(item))
        if objects == OBJECTS_LOOKED_AT or (objects and characters > CHARACTERS_LOOKED_AT):
            return


def _pieces(readline: ReadLine) -> Iterator[str]:
    while piece := readline(PIECE_CHARACTERS):
        yield piece


def _read_lines(start: str, readline: ReadLine, file: str) -> tuple[str, Iterator[Found]]:
    """What stands in the lines, and how they are to be read."""
    if start and not start.endswith("\n"):
        start += read_line(readline, file)
    lines = chain([start] if start else [], _lines(readline, file))
    if isinstance(_parse(start), dict) or not start.lstrip().startswith("{"):
        return "JSON Lines", map(_parse, lines)
    if isinstance(_parse_literal(start), dict):
        return "Python literals", map(_parse_either, lines)
    head = list(islice(lines, LINES_LOOKED_AT))
    try:
        _JSON.raw_decode("".join(head).lstrip())
    except (ValueError, RecursionError):
        return "JSON Lines", map(_parse, chain(head, lines))
    return "JSON objects over several lines", _decode("".join(head), readline, file)


def _parse(line: str) -> Found:
    try:
        found = _JSON.decode(line)
    except (ValueError, RecursionError):
        return _Fault(NOT_JSON, line)
    return found if isinstance(found, dict) else _Fault(NOT_AN_OBJECT, line)


def _parse_literal(line: str) -> Found:
    try:
        with warnings.catch_warnings():  # of a backslash that escapes nothing
            warnings.simplefilter("ignore")
            found = _evaluate(ast.parse(line.strip(), mode="eval").body)
        json.dumps(found, default=str)  # what cannot be written could not be carried
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _Fault(NOT_A_LITERAL, line)
    if isinstance(found, dict) and all(isinstance(key, str) for key in found):
        return found
    return _Fault(NOT_AN_OBJECT, line)


def _evaluate(node: ast.expr | None) -> object:
    """What `ast.literal_eval` makes of it, with keys that are there twice."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Dict):
        pairs = zip(map(_evaluate, node.keys), map(_evaluate, node.values), strict=True)
        return make_object(list(pairs))  # type: ignore[arg-type]  # the caller looks at the keys
    if isinstance(node, ast.List | ast.Tuple):
        return (list if isinstance(node, ast.List) else tuple)(map(_evaluate, node.elts))
    if node is None:
        raise ValueError("** stands in an object")
    return ast.literal_eval(node)


def _parse_either(line: str) -> Found:
    """A literal only where it is no JSON: the two differ in escapes, and in what is true or null.
    So the first line may be a damaged one of JSON Lines."""
    found = _parse(line)
    is_json = not isinstance(found, _Fault) or found.reason != NOT_JSON
    return found if is_json else _parse_literal(line)


def _lines(readline: ReadLine, file: str) -> Iterator[str]:
    while line := read_line(readline, file):
        if not line.isspace():
            yield line


def _decode(
    start: str, readline: ReadLine, file: str, *, is_array: bool = False
) -> Iterator[Found]:
    """Objects one behind the other, or between the brackets of an array.

    Raises: SourceError: one cannot be read, or the array does not end, or not the text with it.
    """
    text = _Text(start, readline)
    count = 0
    if is_array:
        text.skip("[")
    while not text.is_at_end():
        if is_array and text.skip("]"):
            if text.is_at_end():
                return
            break
        if is_array and count and not text.skip(","):
            break
        try:
            found = text.decode()
        except (ValueError, RecursionError):
            break
        count += 1
        yield found if isinstance(found, dict) else _Fault(NOT_AN_OBJECT, str(found)[:1000])
    if is_array or not text.is_at_end():
        raise SourceError(
            f"{file} is damaged or breaks off after row {count} (not valid JSON): nothing was"
            " written"
        )


class _Text:
    """A text that is read piece by piece, as far as the next value needs."""

    def __init__(self, start: str, readline: ReadLine) -> None:
        self._text, self._place = start, 0
        self._readline = readline

    def _read_on(self) -> bool:
        """More of the text, about as much again as is held; False at its end, or if the value is
        longer than any."""
        held = self._text[self._place :]
        wanted = max(PIECE_CHARACTERS, len(held))
        pieces, characters = [held], 0
        while characters < wanted and (piece := self._readline(PIECE_CHARACTERS)):
            pieces.append(piece)
            characters += len(piece)
        self._text, self._place = "".join(pieces), 0
        return characters > 0 and len(held) < MAX_LINE_CHARACTERS

    def is_at_end(self) -> bool:
        """Whether nothing but space is left; space is passed over."""
        while True:
            found = _SPACE.match(self._text, self._place)
            self._place = found.end() if found else self._place
            if self._place < len(self._text):
                return False
            if not self._read_on():
                return True

    def skip(self, mark: str) -> bool:
        """Pass over a mark, if it is the next character behind space."""
        if self.is_at_end() or self._text[self._place] != mark:
            return False
        self._place += 1
        return True

    def decode(self) -> object:
        """The next value. Raises: ValueError, RecursionError: it is none."""
        self.is_at_end()
        while True:
            try:
                found, end = _JSON.raw_decode(self._text, self._place)
            except ValueError:
                if not self._read_on():
                    raise
            else:
                self._place = end
                return found
