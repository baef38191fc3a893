"""A file with columns, CSV or Parquet: read by the names of its columns, as a whole or not at all.

- A column is found by its name alone, whatever else is in the file and wherever it stands. Blanks
  around a name and capitals make no difference; two columns that answer to one name do not go
  together, for nobody knows which of them counts.
- CSV is UTF-8, separated by commas, with quotes where a cell holds a comma, a quote or a new line.
  Each row has as many cells as the header: with one more, or one less, all that follow would be
  another column's. A surplus of empty cells is no exception, because "t,1,0," may be the id "t,1"
  without its quotes. Blank lines are no rows.

Errors name the file and the row (from 1, the header and blank lines not counted), and no value.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from services.fraud.errors import TransactionsError
from services.fraud.transactions.columns import Column

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_ROWS_AT_ONCE = 50_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Wanted:
    """A column by its name, and by that of the Fraud Detection Handbook if it has one there."""

    name: str
    published: str | None = None
    required: bool = True

    def answers_to(self, shown: str) -> bool:
        """Whether this is how the file calls it."""
        called = shown.strip().casefold()
        return called in (self.name.casefold(), (self.published or self.name).casefold())


class _Fault(Exception):
    """What is wrong with a file; its message has no value of the file."""


def read_columns(path: Path, wanted: Sequence[Wanted]) -> dict[str, Column]:
    """The columns that are wanted, by our names; those that are not required may be missing.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet`.
        wanted: other columns are ignored.

    Raises: TransactionsError: the file cannot be read, is not as above, or misses a column.
    """
    if not path.is_file():
        raise TransactionsError(f"{path}: {'no file' if path.exists() else 'does not exist'}")
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise TransactionsError(f"{path.name}: neither .csv, .csv.gz nor .parquet")
    if not path.stat().st_size:
        raise TransactionsError(f"{path.name}: is empty")
    try:
        found = (_read_parquet if name.endswith(".parquet") else _read_csv)(path, wanted)
    except _Fault as fault:
        message = str(fault)
    else:
        return {key: Column(path.name, shown, values) for key, (shown, values) in found.items()}
    # Outside, so that what Arrow or Python says, which may quote a row, is no part of it.
    raise TransactionsError(f"{path.name}: {message}")


_Found = dict[str, tuple[str, pa.Array]]  # by our names: the file's name, the values


def _read_parquet(path: Path, wanted: Sequence[Wanted]) -> _Found:
    try:
        with pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            places = _places(present, wanted)
            table = file.read(columns=[present[place] for place in places.values()])
    except (pa.ArrowException, OSError):
        raise _Fault("cannot be read as Parquet, or damaged") from None
    shown = {name: present[place] for name, place in places.items()}
    return {name: (column, _plain(table.column(column))) for name, column in shown.items()}


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """In one piece; text of any kind as one kind of text."""
    values = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    return values


def _read_csv(path: Path, wanted: Sequence[Wanted]) -> _Found:
    """All cells as text."""
    try:
        with _opened(path) as lines:
            table = _Rows(lines)
            header, places = _read_header(table, wanted)
            chunks: dict[str, list[pa.Array]] = {name: [] for name in places}
            for rows in table.chunks():
                for name, place in places.items():
                    cells = [row[place] for row in rows]
                    chunks[name].append(pa.array(cells, pa.large_string()))
    except (OSError, EOFError, zlib.error) as error:
        raise _Fault(f"cannot be read as CSV in UTF-8 ({type(error).__name__})") from None
    none = [pa.array([], pa.large_string())]
    return {
        name: (header[place].strip(), pa.concat_arrays(chunks[name] or none))
        for name, place in places.items()
    }


def _read_header(table: "_Rows", wanted: Sequence[Wanted]) -> tuple[list[str], dict[str, int]]:
    try:
        header = table.header()
        return header, _places(header, wanted)
    except _Fault:
        for mark, word in _SEPARATORS.items():
            names = next(csv.reader([table.first_line], delimiter=mark), [])
            if all(any(map(column.answers_to, names)) for column in wanted if column.required):
                raise _Fault(f"its columns are separated by {word}; write it with commas") from None
        raise


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Its text. Bytes that are not UTF-8 are marked, and told with their row later."""
    is_gzip = path.name.lower().endswith(".gz")
    with path.open("rb") as file, gzip.open(file) if is_gzip else file as raw:
        if raw.read(2) in _UTF16:
            raise _Fault("cannot be read as CSV in UTF-8, for it is UTF-16: save it as UTF-8")
        raw.seek(0)
        with io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="") as lines:
            yield lines


class _Rows:
    """The rows of a CSV file, each as long as the header."""

    def __init__(self, lines: IO[str]) -> None:
        self._reader = csv.reader(self._sound(lines), strict=True)
        self._width, self._count = 0, -1  # the header comes first
        self.first_line = ""

    def header(self) -> list[str]:
        """The names of the columns. Raises: _Fault: there are none, or they cannot be read."""
        for row in self._rows():
            self._width, self._count = len(row), 0
            return row
        raise _Fault("is empty")

    def chunks(self) -> Iterator[list[list[str]]]:
        """All rows, some at a time. Raises: _Fault: one cannot be read, or is uneven."""
        rows = []
        for row in self._rows():
            if len(row) != self._width:
                raise _Fault(f"{self._place}: {len(row)} fields, {self._uneven(len(row))}")
            rows.append(row)
            self._count += 1
            if len(rows) == _ROWS_AT_ONCE:
                yield rows
                rows = []
        if rows:
            yield rows

    def _uneven(self, found: int) -> str:
        told = f"the header has {self._width}"
        if found < self._width:
            return told
        return f"{told}; a cell with a comma needs quotes, and a row ends without a comma"

    def _rows(self) -> Iterator[list[str]]:
        """Those that are not blank."""
        while True:
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error:  # its message is about the parser
                raise _Fault(
                    f"{self._place}: a quote that is not closed, or stands alone within quotes"
                    ' (there it is written twice: "")'
                ) from None
            if len(row) > 1 or (row and row[0].strip()):
                yield row

    def _sound(self, lines: IO[str]) -> Iterator[str]:
        for line in lines:
            if "\0" in line:
                raise _Fault(f"cannot be read as CSV in UTF-8: {self._place} has a NUL byte")
            if not line.isascii() and not _is_utf8(line):
                raise _Fault(
                    f"cannot be read as CSV in UTF-8: {self._place} has other bytes; save it as"
                    " UTF-8"
                )
            self.first_line = self.first_line or line.strip()
            yield line

    @property
    def _place(self) -> str:
        """Where we are."""
        return "the header" if self._count < 0 else f"row {self._count + 1}"


def _is_utf8(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:  # what was marked
        return False
    return True


def _places(present: Sequence[str], wanted: Sequence[Wanted]) -> dict[str, int]:
    """Where the columns stand, by our names. Raises: _Fault: one is missing, or there twice."""
    places = {}
    for column in wanted:
        found = [place for place, shown in enumerate(present) if column.answers_to(shown)]
        if len(found) > 1:
            names = [present[place].strip() for place in found]
            same = len(set(names)) == 1
            told = (
                f"{len(names)} columns are called {names[0]}"
                if same
                else (f"more than one column {' or '.join(names)}")
            )
            raise _Fault(f"{told}; leave the one that counts")
        if found:
            places[column.name] = found[0]
    missing = [column for column in wanted if column.required and column.name not in places]
    if missing:
        raise _Fault(_missing(missing))
    return places


def _missing(columns: Sequence[Wanted]) -> str:
    names = " and no column ".join(column.name for column in columns)
    published = " and ".join(column.published for column in columns if column.published)
    return f"no column {names} (or {published})" if published else f"no column {names}"
