"""The cells of a CSV file: UTF-8, rows as long as the header, with quotes where a cell holds the
delimiter, a quote or a new line.

With one cell more, or one less, all that follow would be another column's, so that such a row is
refused. A surplus of empty cells is no exception, because "t,1,0," may be the id "t,1" without its
quotes. Blank lines are no rows.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
PLURALS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_ROWS_AT_ONCE = 50_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Fault(Exception):
    """What is wrong with a file; its message has no value of the file."""


def read_cells(
    path: Path, choose: Callable[[list[str]], Mapping[str, int]], delimiter: str = ","
) -> tuple[list[str], dict[str, pa.Array]]:
    """The header, and the columns that are wanted, by our names, as text.

    Args:
        path: `.csv` or `.csv.gz`.
        choose: from the header to the places of the columns that are wanted. Raises: Fault.

    Raises: Fault: the file cannot be read or is not as above.
    """
    try:
        with _opened(path) as lines:
            table = _Rows(lines, delimiter)
            header = table.header()
            places = choose(header)
            chunks: dict[str, list[pa.Array]] = {name: [] for name in places}
            for rows in table.chunks():
                for name, place in places.items():
                    cells = [row[place] for row in rows]
                    chunks[name].append(pa.array(cells, pa.large_string()))
    except (OSError, EOFError, zlib.error) as error:
        raise Fault(f"cannot be read as CSV in UTF-8 ({type(error).__name__})") from None
    none = [pa.array([], pa.large_string())]
    return header, {name: pa.concat_arrays(chunks[name] or none) for name in places}


def read_headers(path: Path) -> dict[str, list[str]]:
    """The header as each delimiter would make it, by delimiter.

    Raises: Fault: the file cannot be read.
    """
    try:
        with _opened(path) as lines:
            first = next((line for line in lines if line.strip()), "").strip("\r\n")
            return {mark: next(csv.reader([first], delimiter=mark), []) for mark in PLURALS}
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise Fault(f"cannot be read as CSV in UTF-8 ({type(error).__name__})") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Its text. Bytes that are not UTF-8 are marked, and told with their row later."""
    is_gzip = path.name.lower().endswith(".gz")
    with path.open("rb") as file, gzip.open(file) if is_gzip else file as raw:
        if raw.read(2) in _UTF16:
            raise Fault("cannot be read as CSV in UTF-8, for it is UTF-16: save it as UTF-8")
        raw.seek(0)
        with io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="") as lines:
            yield lines


class _Rows:
    """The rows of a CSV file, each as long as the header."""

    def __init__(self, lines: IO[str], delimiter: str) -> None:
        self._reader = csv.reader(self._sound(lines), strict=True, delimiter=delimiter)
        self._delimiter = PLURALS[delimiter].removesuffix("s")
        self._width, self._count = 0, -1  # the header comes first

    def header(self) -> list[str]:
        """The names of the columns. Raises: Fault: there are none, or they cannot be read."""
        for row in self._rows():
            self._width, self._count = len(row), 0
            return row
        raise Fault("is empty")

    def chunks(self) -> Iterator[list[list[str]]]:
        """All rows, some at a time. Raises: Fault: one cannot be read, or is uneven."""
        rows = []
        for row in self._rows():
            if len(row) != self._width:
                raise Fault(f"{self._place}: {len(row)} fields, {self._uneven(len(row))}")
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
        mark = self._delimiter
        return f"{told}; a cell with a {mark} needs quotes, and a row ends without a {mark}"

    def _rows(self) -> Iterator[list[str]]:
        """Those that are not blank."""
        while True:
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error:  # its message is about the parser
                raise Fault(
                    f"{self._place}: a quote that is not closed, or stands alone within quotes"
                    ' (there it is written twice: "")'
                ) from None
            if len(row) > 1 or (row and row[0].strip()):
                yield row

    def _sound(self, lines: IO[str]) -> Iterator[str]:
        for line in lines:
            if "\0" in line:
                raise Fault(f"cannot be read as CSV in UTF-8: {self._place} has a NUL byte")
            if not line.isascii() and not _is_utf8(line):
                raise Fault(
                    f"cannot be read as CSV in UTF-8: {self._place} has other bytes; save it as"
                    " UTF-8"
                )
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
