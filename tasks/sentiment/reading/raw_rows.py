"""Raw rows: what every reader hands on before anything is believed about it."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.sentiment.errors import MissingColumn, SourceError

MAX_LINE_CHARACTERS = 32_000_000
EXCERPT_CHARACTERS = 200
_COLUMNS_NAMED = 60  # of a wider table the error names the first ones


@dataclass(frozen=True, slots=True)
class RawRow:
    """One record as it was found.

    Attributes:
        row_number: number of the data record within its file, from 1; a header is not counted.
        file: file name, relative to the folder that was given, or "query".
        values: the asked columns only; None where the record could not be parsed.
        fault: why it could not be parsed; None where it could.
        excerpt: beginning of the record that could not be parsed, fit to be shown.
    """

    row_number: int
    file: str
    values: Mapping[str, object] | None
    fault: str | None
    excerpt: str = ""


class NarrowFloat(float):
    """A float from a column of less than double precision, with the value that it has there."""

    exact_below = 2**24  # from here on not every whole number is one of single precision


class HalfFloat(NarrowFloat):
    """One from a column of half precision."""

    exact_below = 2**11


class RowReader(ABC):
    """An open file or query result: where it is from, how it is read, and the columns it has.

    rows_differ: a row may have a column that `columns` does not name.
    options: fields of TextFormat that say how it is to be read.
    short_rows: how many of the rows given so far lacked cells at their end.
    """

    place: str
    columns: Sequence[str]
    how: str  # what it is and how it is written, for the summary
    rows_differ = False
    options: Sequence[str] = ()
    short_rows = 0

    def require(self, columns: Sequence[str]) -> None:
        """Raises: SourceError: one of `columns` is missing (MissingColumn), or is there twice."""
        require_columns(columns, self.columns, self.place)

    def refuse_as_text(self, column: str) -> None:  # noqa: B027 - most kinds cannot tell
        """Raises: SourceError: no value of this column can be a text."""

    @abstractmethod
    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows, once, in their order. Raises: SourceError: it is damaged."""


def read_line(readline: Callable[[int], str], file: str) -> str:
    """The next line of a text; "" at its end.

    Raises: SourceError: it is longer than any text that anybody wrote.
    """
    line = readline(MAX_LINE_CHARACTERS)
    if len(line) == MAX_LINE_CHARACTERS:
        raise SourceError(
            f"{file} has a line longer than {MAX_LINE_CHARACTERS:,} characters: is it text?"
        )
    return line


def beginning(text: str) -> str:
    """The beginning of `text`, at most 200 characters, printable, on one line."""
    start = " ".join(text[: 2 * EXCERPT_CHARACTERS].split())[:EXCERPT_CHARACTERS]
    if start.isprintable():
        return start
    return "".join(character if character.isprintable() else "\ufffd" for character in start)


def require_columns(asked: Sequence[str], present: Sequence[str], place: str) -> None:
    """Refuse a table without the asked columns, naming those that it has.

    Raises: SourceError: a column is missing.
    """
    missing = [name for name in asked if name not in present]
    if missing:
        shown = ", ".join(map(_quote, present[:_COLUMNS_NAMED]))
        more = f" and {len(present) - _COLUMNS_NAMED} more" if len(present) > _COLUMNS_NAMED else ""
        raise MissingColumn(
            f"{place} has no column {', '.join(map(_quote, missing))}{_hint(missing[0], present)}; "
            f"its columns are: {shown}{more}"
        )


def refuse_repeated(columns: Sequence[str], place: str) -> None:
    """Refuse a header that names a column twice; nameless columns cannot be asked for anyway.

    Raises: SourceError: a name is there twice.
    """
    named = [name for name in columns if name]
    repeated = sorted({name for name in named if named.count(name) > 1})
    if repeated:
        raise SourceError(f"{place} has more than one column {', '.join(map(_quote, repeated))}")


def _hint(missing: str, present: Sequence[str]) -> str:
    if len(present) == 1 and any(mark in present[0] for mark in ";\t|"):
        return " (is it separated by something else? give --delimiter)"
    folded = {name.strip().casefold(): name for name in present}
    near = difflib.get_close_matches(missing.strip().casefold(), folded, n=1)
    return f" (is it {_quote(folded[near[0]])}?)" if near else ""


def _quote(name: str) -> str:
    return name if name.isprintable() and name.strip() == name and name else repr(name)
