"""Rows of CSV and TSV text: a record that cannot be parsed fails alone.

- Cells may hold line ends if they are quoted; blank lines between records are no rows.
- Quoting is strict. Where a quote is left open or stands in the wrong place, only the row on the
  first physical line of that record is given up, and reading resumes on the next line. So a
  forgotten quote costs one row, not the rows that follow it.
- A record with too many or too few fields is given up as a whole.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.raw_rows import (
    MAX_LINE_CHARACTERS,
    RawRow,
    RowReader,
    beginning,
    read_line,
    refuse_repeated,
)

MAX_OPEN_CHARACTERS = 16_000_000  # a quoted record over several lines; more means a lost quote
MISPLACED_QUOTE = "unbalanced or misplaced quote"

ReadLine = Callable[[int], str]


class _StillOpenError(Exception):
    """A record goes on over more lines than any cell may have."""


class CsvReader(RowReader):
    """Rows of one CSV or TSV text."""

    def __init__(self, readline: ReadLine, file: str, *, delimiter: str) -> None:
        """Read the header.

        Args:
            readline: gives the next physical line, its end untranslated; "" at the end.
        Raises: SourceError: no header, a header that cannot be parsed, a name in it twice.
        """
        self.place = file
        self._delimiter = delimiter
        self._records = _records(readline, file, delimiter)
        header = next(self._records, None)
        if header is None:
            # Not a source without rows: that has a header, and a writer that broke off has none.
            raise SourceError(
                f"{file} is empty: it has no header line, which a file without rows has too"
            )
        if isinstance(header, str):
            raise SourceError(f"the header of {file} cannot be parsed: {MISPLACED_QUOTE}")
        if any("\0" in name for name in header):
            raise SourceError(
                f"the header of {file} holds NUL bytes: name the encoding (UTF-16 without a mark?)"
            )
        refuse_repeated(header, file)
        self.columns = header

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows after the header; their values are str.

        Raises: SourceError: a line is longer than any text.
        """
        file, width = self.place, len(self.columns)
        names = tuple(dict.fromkeys(columns))
        places = [self.columns.index(name) for name in names]
        pick = itemgetter(*places) if len(places) > 1 else None
        only = places[0] if places else 0
        for row_number, fields in enumerate(self._records, start=1):
            if isinstance(fields, str):
                yield RawRow(row_number, file, None, MISPLACED_QUOTE, beginning(fields))
            elif len(fields) != width:
                fault = f"{_count(len(fields), 'field')} where the header has {width}"
                start = self._delimiter.join(cell[:200] for cell in fields[:200])
                yield RawRow(row_number, file, None, fault, beginning(start))
            elif pick is not None:
                yield RawRow(row_number, file, dict(zip(names, pick(fields), strict=True)), None)
            else:
                yield RawRow(row_number, file, dict.fromkeys(names, fields[only]), None)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _records(readline: ReadLine, file: str, delimiter: str) -> Iterator[list[str] | str]:
    """Fields of each record, or, of one that cannot be parsed, its first physical line."""
    pending: list[str] = []  # physical lines of the record that is being read
    backlog: deque[str] = deque()  # lines to be read again
    # The module's limit is one for the process, 131,072 unless somebody raised it.
    limit = MAX_LINE_CHARACTERS + MAX_OPEN_CHARACTERS
    while True:
        csv.field_size_limit(max(limit, csv.field_size_limit()))
        lines = _lines(readline, file, backlog, pending)
        try:
            for fields in csv.reader(lines, delimiter=delimiter, strict=True):
                pending.clear()
                if fields:
                    yield fields
            return
        except (csv.Error, _StillOpenError):
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
                raise _StillOpenError
        else:
            characters = len(line)
            pending.append(line)
        yield line
