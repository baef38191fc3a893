"""Rows of JSON Lines: one object per line; a line that is none fails alone."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.raw_rows import RawRow, RowReader, beginning, read_line

OBJECTS_LOOKED_AT = 100  # an object need not have every key: those of the first ones count
LINES_LOOKED_AT = 1_000
CHARACTERS_LOOKED_AT = 4_000_000
NOT_JSON = "not valid JSON"
NOT_AN_OBJECT = "not a JSON object"


class JsonReader(RowReader):
    """Rows of one JSON Lines text; a key that an object lacks is None."""

    def __init__(self, readline: Callable[[int], str], file: str) -> None:
        """Look at the first objects.

        Args:
            readline: gives the next line; "" at the end.
        Raises: SourceError: its first lines hold no object. An empty file holds no rows.
        """
        self.place = file
        self._rest = _lines(readline, file)
        self._ahead, first = _look_ahead(self._rest)
        if self._ahead and not first:
            raise SourceError(
                f"{file} cannot be read as JSON Lines: no JSON object in its first lines"
            )
        self.columns = list(dict.fromkeys(chain.from_iterable(first)))

    def require(self, columns: Sequence[str]) -> None:
        """Raises: SourceError: one of `columns` is a key of none of the first 100 objects."""
        if self._ahead:
            super().require(columns)

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows; values are what JSON makes of them.

        Raises: SourceError: a line is longer than any text.
        """
        ahead, self._ahead = self._ahead, []
        for row_number, line in enumerate(chain(ahead, self._rest), start=1):
            found = _parse(line)
            if isinstance(found, dict):
                values = {name: found.get(name) for name in columns}
                yield RawRow(row_number, self.place, values, None)
            else:
                yield RawRow(row_number, self.place, None, found, beginning(line))


def _look_ahead(lines: Iterator[str]) -> tuple[list[str], list[dict[str, object]]]:
    """The first lines, to be read again, and the objects in them."""
    ahead: list[str] = []
    objects = []
    characters = 0
    for line in lines:
        ahead.append(line)
        characters += len(line)
        found = _parse(line)
        if isinstance(found, dict):
            objects.append(found)
        if (
            len(objects) == OBJECTS_LOOKED_AT
            or len(ahead) == LINES_LOOKED_AT
            or (objects and characters > CHARACTERS_LOOKED_AT)
        ):
            break
    return ahead, objects


def _parse(line: str) -> dict[str, object] | str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return NOT_JSON
    return found if isinstance(found, dict) else NOT_AN_OBJECT


def _lines(readline: Callable[[int], str], file: str) -> Iterator[str]:
    while line := read_line(readline, file):
        if not line.isspace():
            yield line
