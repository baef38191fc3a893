"""Records of text between delimiters: one that cannot be parsed costs its first line alone.

Where a quote is left open or stands in the wrong place, only the first physical line of that
record is given up, and reading resumes on the next line.
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporting.figures import counted
from tasks.sentiment.reading.raw_rows import MAX_LINE_CHARACTERS, read_line

MAX_OPEN_CHARACTERS = 16_000_000  # a quoted record over several lines; more means a lost quote

ReadLine = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are told apart.

    Attributes:
        quote: None: a quote is a character like any other.
        escape: a character that takes its meaning from a quote, a delimiter or itself.
        skips_spaces: spaces after a delimiter belong to no cell.
        is_quoting_sure: False where no cell was seen that begins with a quote: a cell with both a
            line end and a delimiter in it is then taken for text with a stray quote.
        skip_lines: physical lines before the header, or before the first row.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    skips_spaces: bool = False
    is_quoting_sure: bool = True
    skip_lines: int = 0

    def __str__(self) -> str:
        """As the summary shows it."""
        parts = [f"delimiter {_NAMES.get(self.delimiter, self.delimiter)}"]
        if self.quote != '"':
            parts.append(f"quote {self.quote or 'none'}")
        if self.escape:
            parts.append(f"escape {self.escape}")
        if self.skips_spaces:
            parts.append("spaces after it")
        if self.skip_lines:
            parts.append(f"{counted(self.skip_lines, 'line')} skipped")
        return ", ".join(parts)

    @property
    def options(self) -> dict[str, Any]:
        """Of csv.reader."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "escapechar": self.escape,
            "skipinitialspace": self.skips_spaces,
            "strict": True,
        }


_NAMES = {",": "comma", "\t": "tab", " ": "space"}


class _GivenUpError(Exception):
    """A record goes on over more lines than any cell may have, or a quote glues lines together."""


def records(
    readline: ReadLine, file: str, dialect: Dialect, ahead: Sequence[str] = ()
) -> Iterator[list[str] | str]:
    """Fields of each record, or, of one that cannot be parsed, its first physical line.

    Args: ahead: lines that were read before.
    Raises: SourceError: a line is longer than any text.
    """
    pending: list[str] = []  # physical lines of the record that is being read
    backlog = deque(ahead)  # lines to be read again
    # The module's limit is one for the process, 131,072 unless somebody raised it.
    limit = MAX_LINE_CHARACTERS + MAX_OPEN_CHARACTERS
    if dialect.escape:
        readline, backlog = _guarding_escapes(readline, dialect, backlog)
    while True:
        csv.field_size_limit(max(limit, csv.field_size_limit()))
        lines = _lines(readline, file, backlog, pending)
        try:
            for fields in csv.reader(lines, **dialect.options):
                if len(pending) > 1 and not dialect.is_quoting_sure:
                    _refuse_glued(fields, dialect.delimiter)
                pending.clear()
                if fields:
                    yield fields
            return
        except (csv.Error, _GivenUpError):
            first = pending[0]
            backlog.extendleft(reversed(pending[1:]))
            pending.clear()
        yield first


def _lines(readline: ReadLine, file: str, backlog: deque[str], pending: list[str]) -> Iterator[str]:
    characters = 0
    while line := backlog.popleft() if backlog else read_line(readline, file):
        if pending:
            characters += len(line)
            pending.append(line)
            if characters > MAX_OPEN_CHARACTERS:
                raise _GivenUpError
        else:
            characters = len(line)
            pending.append(line)
        yield line


def is_glued(fields: list[str], delimiter: str) -> bool:
    """Whether a cell holds a line end and a delimiter, as where a quote is only a character."""
    return any(delimiter in cell and ("\n" in cell or "\r" in cell) for cell in fields)


def _refuse_glued(fields: list[str], delimiter: str) -> None:
    if is_glued(fields, delimiter):
        raise _GivenUpError


def _guarding_escapes(
    readline: ReadLine, dialect: Dialect, ahead: Iterable[str]
) -> tuple[ReadLine, deque[str]]:
    """Lines in which an escape character stays where it escapes nothing, as in `C:\\new` and in the
    `\\N` that stands for NULL: csv.reader would drop it."""
    mark = dialect.escape or ""
    special = re.escape(f"{mark}{dialect.quote or ''}{dialect.delimiter}")
    lone = re.compile(f"({re.escape(mark)}[{special}\r\n])|{re.escape(mark)}")

    def guard(line: str) -> str:
        return lone.sub(lambda found: found[1] or mark * 2, line) if mark in line else line

    return (lambda limit: guard(readline(limit))), deque(map(guard, ahead))
