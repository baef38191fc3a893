"""Rows of a sheet of an Excel workbook, read as a stream; needs the extra `excel`."""

import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO, Any

from tasks.sentiment.errors import MissingColumn, SourceError, first_line
from tasks.sentiment.reading.raw_rows import RawRow, RowReader, refuse_repeated, require_columns

# What openpyxl raises where the archive or the XML in it is not what a workbook has; RuntimeError
# is of a part with a password, or packed in a way that is not read.
_DAMAGED = (LookupError, ValueError, SyntaxError, TypeError, RuntimeError, zipfile.BadZipFile)
_LARGE_BYTES = 100_000_000
_MOST_TIMES_PACKED = 200  # texts pack to a tenth, cells with little in them to a hundredth
# A cell whose formula has no value: programs that write formulas do not compute them. Where the
# value is an empty text, the cell says that it is a text.
_UNCOMPUTED = re.compile(
    rb"<c(?=[^>]* r=\"(?P<column>[A-Z]+)(?P<row>[0-9]+)\")(?![^>]* t=\")[^>]*>"
    rb"<f\b(?:[^>]*/>|[^>]*>[^<]*</f>)(?:<v\s*/>|<v></v>)?</c>"
)
_CHUNK_BYTES = 1 << 20
_LONGEST_CELL_BYTES = 1 << 16  # a formula has 8,192 characters at most


def is_workbook(binary: IO[bytes]) -> bool:
    """Whether a zip archive is a workbook; it is left at its beginning."""
    try:
        with zipfile.ZipFile(binary) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError):
        return False
    finally:
        binary.seek(0)


class ExcelReader(RowReader):
    """Rows of the one sheet that is not empty, or of the one that is named; its first row that is
    not empty names the columns."""

    options = ("sheet",)

    def __init__(self, binary: IO[bytes], file: str, sheet: str | None, stack: ExitStack) -> None:
        """Args: stack: closes the workbook.

        Raises: SourceError: openpyxl is not installed, it cannot read the file, or the sheet is
            not said.
        """
        self.place = file
        with _refusing_damage(file):
            _refuse_swelling(binary, file)
            workbook = _open(binary, file)
            stack.callback(workbook.close)
            sheets = [name for name in workbook.sheetnames if sheet in (None, name)]
            filled = [name for name in sheets if next(_cells(workbook[name]), None) is not None]
        if len(filled) != 1:
            names = ", ".join(filled or workbook.sheetnames)
            what = f"has no filled sheet {sheet}" if sheet else f"has {len(filled)} filled sheets"
            raise SourceError(f"{file} {what} ({names}): name one with --sheet")
        self.how = f"Excel (sheet {filled[0]})"
        self._binary, self._part = binary, workbook[filled[0]]._worksheet_path
        self._rows = _cells(workbook[filled[0]])
        header = next(self._rows)
        self.columns = ["" if cell is None else str(cell).strip() for cell in header]

    def require(self, columns: Sequence[str]) -> None:
        """Raises: SourceError: one of `columns` is missing, or there twice."""
        try:
            require_columns(columns, self.columns, self.place)
        except MissingColumn as error:
            if sum(map(bool, self.columns)) > 1:
                raise
            raise MissingColumn(
                f"{error} (the first row that is not empty names the columns: delete a title that"
                " stands above them)"
            ) from None
        refuse_repeated([name for name in self.columns if name in columns], self.place)

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows that are not empty, numbered behind the header; values are those of the cells,
        of formulas those that were last computed.

        Raises: SourceError: the file is damaged, or a formula was never computed.
        """
        names = list(dict.fromkeys(columns))
        places = [self.columns.index(name) for name in names]
        number = 0
        try:
            self._refuse_uncomputed(places)
            for number, cells in enumerate(self._rows, start=1):
                values = [cells[place] if place < len(cells) else None for place in places]
                yield RawRow(number, self.place, dict(zip(names, values, strict=True)), None)
        except _DAMAGED as error:
            raise SourceError(
                f"{self.place} is damaged after row {number} ({first_line(error)}): nothing was"
                " written"
            ) from error

    def _refuse_uncomputed(self, places: Sequence[int]) -> None:
        """Raises: SourceError: a cell of these columns has a formula and no value."""
        from openpyxl.utils import get_column_letter

        asked = {get_column_letter(place + 1) for place in places}
        with zipfile.ZipFile(self._binary) as archive, archive.open(self._part) as sheet:
            cell = next(
                (found for found in _uncomputed(sheet) if found.strip("0123456789") in asked), None
            )
        if cell is not None:
            raise SourceError(
                f"{self.place} has formulas that were never computed, as in {cell}: open it in a"
                " spreadsheet program and save it"
            )


def _uncomputed(sheet: IO[bytes]) -> Iterator[str]:
    """Names of the cells, such as D2, whose formula has no value."""
    rest = b""
    while chunk := sheet.read(_CHUNK_BYTES):
        content, end = rest + chunk, 0
        for found in _UNCOMPUTED.finditer(content):
            end = found.end()
            yield (found["column"] + found["row"]).decode()
        rest = content[max(end, len(content) - _LONGEST_CELL_BYTES) :]


def _refuse_swelling(binary: IO[bytes], file: str) -> None:
    """Refuse an archive that would fill the memory: parts of it, such as the texts of all cells,
    are held there. It is left at its beginning."""
    with zipfile.ZipFile(binary) as archive:
        for part in archive.infolist():
            times = part.file_size / max(part.compress_size, 1)
            if part.file_size > _LARGE_BYTES and times > _MOST_TIMES_PACKED:
                raise SourceError(
                    f"{file} holds {part.filename}, which unpacks to {part.file_size:,} bytes,"
                    f" {times:,.0f} times what it is packed in: no table is written so; save it as"
                    " CSV UTF-8"
                )
    binary.seek(0)


def _open(binary: IO[bytes], file: str) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise SourceError(
            f"{file} is an Excel workbook: save it as CSV UTF-8, or install openpyxl, the extra"
            " `excel`"
        ) from error
    with warnings.catch_warnings():  # of styles and extensions, which do not matter here
        warnings.simplefilter("ignore")
        return openpyxl.load_workbook(binary, read_only=True, data_only=True)


@contextmanager
def _refusing_damage(file: str) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGED, OSError) as error:
        raise SourceError(
            f"{file} is an Excel workbook that cannot be read ({first_line(error)}): save it as"
            " CSV UTF-8"
        ) from error


def _cells(sheet: Any) -> Iterator[tuple[Any, ...]]:
    """The cells of each row that is not empty; a sheet of a chart has none. How large a sheet is
    is not believed to what it says of itself: rows beyond that would be left out."""
    if not hasattr(sheet, "iter_rows"):
        return
    sheet.reset_dimensions()
    for cells in sheet.iter_rows(values_only=True):
        if any(cell is not None for cell in cells):
            yield cells
