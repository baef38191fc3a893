"""Rows of CSV and TSV text: a record that cannot be parsed fails alone.

- Cells may hold line ends if they are quoted; blank lines between records are no rows.
- Quoting is strict. Where a quote is left open or stands in the wrong place, only the row on the
  first physical line of that record is given up, and reading resumes on the next line. So a
  forgotten quote costs one row, not the rows that follow it.
- A header that comes again, as where files were put together, is no review, and told as rejected.
- Empty cells at the end may be missing, or too many; cells without a name that are not empty give
  up the record as a whole, as does a record of a single cell where there should be several. So do
  two records that look like one with a line end in a cell without quotes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from operator import itemgetter

from services.reporting.figures import counted
from tasks.sentiment.errors import MissingColumn, SourceError
from tasks.sentiment.reading.raw_rows import (
    RawRow,
    RowReader,
    beginning,
    read_line,
    refuse_repeated,
    require_columns,
)
from tasks.sentiment.reading.recognition.dialect import (
    SAMPLE_CHARACTERS,
    UTF8,
    TextFormat,
    detect,
    looks_like_data,
)
from tasks.sentiment.reading.recognition.records import ReadLine, records

_DECIMAL_COMMA = re.compile(r"[+-]?(?:[0-9]{1,3}(?:[.\s'][0-9]{3})+|[0-9]+)(?:,[0-9]+)?")
_THOUSANDS = re.compile(r"[.\s']")
_FIGURE, _WORD, _ANYTHING = map(re.compile, (r"[0-9]+", r"\S*", r"(?s:.*)"))
_NEARLY_ALL = 0.9
_OUTER = " \t\ufeff"  # of a file that was put behind another one, the first cell begins with a mark
HEADER_REPEATED = "header repeated"
MISPLACED_QUOTE = "unbalanced or misplaced quote"


class CsvReader(RowReader):
    """Rows of one CSV or TSV text."""

    options = ("delimiter", "quote", "escape", "skip_lines", "columns", "decimal_comma")

    def __init__(self, readline: ReadLine, file: str, text: TextFormat = UTF8) -> None:
        """Find out the dialect and read the header.

        Args:
            readline: gives the next physical line, its end untranslated; "" at the end.
        Raises: SourceError: no header, a header that cannot be parsed.
        """
        self.place = file
        self._text = text
        for _ in range(text.skip_lines or 0):
            read_line(readline, file)
        sample = _Sample(readline, file)
        self.dialect = detect(sample.lines, text, file, is_whole=sample.is_whole)
        self._sample = sample.lines
        ahead = sample.lines[self.dialect.skip_lines :]
        self._records = records(sample.read_on, file, self.dialect, ahead)
        first = next(self._records, None)
        if text.columns:
            self.columns: Sequence[str] = text.columns
            if first is not None and not self._is_header(first):
                _refuse_second_header(first, text.columns, file)
                self._records = chain([first], self._records)
        else:
            self.columns = _check_header(first, file)
        skipped = text.skip_lines or self.dialect.skip_lines
        given = ", columns as given" if text.columns else ""
        self.how = f"CSV ({replace(self.dialect, skip_lines=skipped)}{given})"

    def require(self, columns: Sequence[str]) -> None:
        """A name without its outer spaces is the same name, unless there is a column of just that.

        Raises: SourceError: one of `columns` is missing, or there twice.
        """
        exact = [name for name in columns if name in self.columns]
        others = [name.strip() for name in columns if name not in self.columns]
        known = [name.strip() for name in self.columns]
        is_data = not self._text.columns and looks_like_data(self.columns)
        if is_data and any(name not in known for name in others):
            raise SourceError(
                f"{self.place} has no column {others[0]}, and its first line looks like data:"
                f" {beginning(', '.join(self.columns))}. Name its"
                f" {counted(len(known), 'column')} in their order with --columns"
            )
        for asked, present in ((exact, self.columns), (others, known)):
            try:
                require_columns(asked, present, self.place)
            except MissingColumn as error:
                raise MissingColumn(f"{error}{self._doubt()}") from None
            refuse_repeated([name for name in present if name in asked], self.place)
        self._refuse_plain_lines()

    def _refuse_plain_lines(self) -> None:
        """Refuse a single column of texts that hold what was taken for a delimiter.

        Raises: SourceError: says how each line is one text.
        """
        if len(self.columns) > 1 or self._text.delimiter is not None:
            return
        ahead = self._sample[self.dialect.skip_lines :]
        found = list(records(lambda _: "", self.place, self.dialect, ahead))
        if 2 * sum(isinstance(fields, list) and len(fields) > 1 for fields in found) > len(found):
            raise SourceError(
                f"most lines of {self.place} have several cells where the header has one: if each"
                " line is one text, give --delimiter tab"
            )

    def _doubt(self) -> str:
        """Which line was guessed to be the header, where it may be another one: behind lines that
        were skipped, or a line of one name, as a title is."""
        is_guess = self._text.skip_lines is None and not self._text.columns
        if not is_guess or (not self.dialect.skip_lines and sum(map(bool, self.columns)) > 1):
            return ""
        number = self.dialect.skip_lines + 1
        while number < len(self._sample) and not self._sample[number - 1].strip():
            number += 1
        return f" (header taken from line {number}: else give --skip-lines)"

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows after the header; their values are str, or None where a cell is missing.

        Raises: SourceError: a line is longer than any text.
        """
        decimals = set(self._text.decimal_comma).intersection(columns)
        return _with_points(self._rows(columns), decimals) if decimals else self._rows(columns)

    def _rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        file, width = self.place, len(self.columns)
        names = tuple(dict.fromkeys(columns))
        places = [self._place(name) for name in names]
        pick = itemgetter(*places) if len(places) > 1 else lambda cells: (cells[places[0]],)

        def row(number: int, cells: Sequence[str | None]) -> RawRow:
            values = pick(cells) if names else ()
            return RawRow(number, file, dict(zip(names, values, strict=True)), None)

        short: list[str] = []  # the record before, if it may be one that the next one goes on with
        number = 0
        for number, fields in enumerate(self._records, start=1):
            if short:
                yield (
                    self._fault(number - 1, short)
                    if self._is_rest(fields)
                    else row(number - 1, self._padded(short))
                )
                short = []
            if isinstance(fields, str):
                yield RawRow(number, file, None, MISPLACED_QUOTE, beginning(fields))
            elif self._is_header(fields):
                yield RawRow(number, file, None, HEADER_REPEATED, self._beginning_of(fields))
            elif len(fields) == width or (len(fields) > width and not any(fields[width:])):
                yield row(number, fields)
            elif 1 < len(fields) < width and not self._is_rest(fields):
                short = fields
            else:
                yield self._fault(number, fields)
        if short:
            yield row(number, self._padded(short))

    def _padded(self, fields: list[str]) -> list[str | None]:
        self.short_rows += 1
        return [*fields, *[None] * (len(self.columns) - len(fields))]

    def _fault(self, number: int, fields: Sequence[str]) -> RawRow:
        fault = f"{counted(len(fields), 'field')} where the header has {len(self.columns)}"
        return RawRow(number, self.place, None, fault, self._beginning_of(fields))

    def _beginning_of(self, fields: Sequence[str]) -> str:
        return beginning(self.dialect.delimiter.join(cell[:200] for cell in fields[:200]))

    def _is_header(self, fields: Sequence[str]) -> bool:
        """Whether a record holds just the names of the columns."""
        if len(fields) != len(self.columns) or isinstance(fields, str):
            return False
        return all(
            cell == name or cell.strip(_OUTER) == name.strip(_OUTER)
            for cell, name in zip(fields, self.columns, strict=True)
        )

    def _is_rest(self, fields: Sequence[str]) -> bool:
        """Whether a record is short and does not begin as others do: what stands behind a line end
        in a cell without quotes."""
        is_short = not isinstance(fields, str) and len(fields) < len(self.columns)
        return is_short and not self._beginning.fullmatch(fields[0].strip())

    @cached_property
    def _beginning(self) -> re.Pattern[str]:
        """What nearly all first cells of the sample look like."""
        ahead = self._sample[self.dialect.skip_lines :]
        found = records(lambda _: "", self.place, self.dialect, ahead)
        cells = [fields[0].strip() for fields in found if len(fields) > 1][1:]
        for pattern in (_FIGURE, _WORD):
            if sum(map(bool, map(pattern.fullmatch, cells))) >= _NEARLY_ALL * len(cells):
                return pattern
        return _ANYTHING

    def _place(self, name: str) -> int:
        if name in self.columns:
            return self.columns.index(name)
        return [known.strip() for known in self.columns].index(name.strip())


def _with_points(rows: Iterator[RawRow], columns: Iterable[str]) -> Iterator[RawRow]:
    """Numbers of these columns with a decimal point; what is no number stays as it is."""
    for row in rows:
        if row.values is None:
            yield row
            continue
        cells = {name: _with_point(row.values[name]) for name in columns}
        yield replace(row, values={**row.values, **cells})


def _with_point(cell: object) -> object:
    if not isinstance(cell, str) or not _DECIMAL_COMMA.fullmatch(cell.strip()):
        return cell
    return _THOUSANDS.sub("", cell.strip()).replace(",", ".")


class _Sample:
    """The first lines of a text. What is broken behind them shows when reading comes there."""

    def __init__(self, readline: ReadLine, file: str) -> None:
        """Raises: SourceError: a line is longer than any text. What `readline` raises at once."""
        self.lines: list[str] = []
        self.is_whole = False
        self._readline = readline
        self._error: Exception | None = None
        characters = 0
        while characters < SAMPLE_CHARACTERS and not self.is_whole:
            try:
                line = read_line(readline, file)
            except Exception as error:
                if not self.lines:
                    raise
                self._error = error
                return
            self.is_whole = not line
            self.lines += [line] if line else []
            characters += len(line)

    @property
    def read_on(self) -> ReadLine:
        """Reads behind the lines."""

        def fail(_: int) -> str:
            assert self._error is not None
            raise self._error

        return self._readline if self._error is None else fail


def _check_header(header: list[str] | str | None, file: str) -> list[str]:
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
    return header


def _refuse_second_header(first: list[str] | str | None, columns: Sequence[str], file: str) -> None:
    """Refuse columns for a file that names others itself, whose header would be a review."""
    cells = {cell.strip().casefold() for cell in first} if isinstance(first, list) else set()
    if {name.casefold() for name in columns} & cells:
        raise SourceError(
            f"the first line of {file} names columns already: leave --columns away, or give just"
            " its names, or --skip-lines 1 as well if every file begins with such a line"
        )
