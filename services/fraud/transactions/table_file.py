"""A file with columns, CSV or Parquet: read by the names of its columns, as a whole or not at all.

A column is found by its name alone, whatever else is in the file and wherever it stands. Blanks
around a name and capitals make no difference; two columns that answer to one name do not go
together, for nobody knows which of them counts. How a CSV file has to look is said in `csv_file`.

Errors name the file and the row (from 1, the header and blank lines not counted), and no value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.fraud.errors import TransactionsError
from services.fraud.transactions.columns import Column
from services.fraud.transactions.csv_file import PLURALS, Fault, read_cells, read_headers

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_NO_PARQUET = "cannot be read as Parquet, or damaged"


@dataclass(frozen=True)
class Wanted:
    """A column by its name, and by that of the Fraud Detection Handbook if it has one there.

    given: the name that it is said to have in this file, which then counts alone.
    """

    name: str
    published: str | None = None
    required: bool = True
    given: str | None = None

    def answers_to(self, shown: str) -> bool:
        """Whether this is how the file calls it."""
        called = shown.strip().casefold()
        if self.given is not None:
            return called == self.given.strip().casefold()
        return called in (self.name.casefold(), (self.published or self.name).casefold())


def read_columns(
    path: Path, wanted: Sequence[Wanted], delimiter: str = ",", if_missing: str = ""
) -> dict[str, Column]:
    """The columns that are wanted, by our names; those that are not required may be missing.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet`.
        wanted: other columns are ignored.
        delimiter: of a CSV file.
        if_missing: what the message adds where columns are missing.

    Raises: TransactionsError: the file cannot be read, is not as above, or misses columns.
    """
    _refuse_other_kinds(path)
    try:
        if _is_parquet(path):
            found = _read_parquet(path, wanted)
        else:
            found = _read_csv(path, wanted, delimiter)
    except MissingColumns as fault:
        message = f"{fault}{if_missing}"
    except Fault as fault:
        message = str(fault)
    else:
        return {key: Column(path.name, shown, values) for key, (shown, values) in found.items()}
    # Outside, so that what Arrow or Python says, which may quote a row, is no part of it.
    raise TransactionsError(f"{path.name}: {message}")


def read_names(path: Path) -> dict[str, list[str]]:
    """The names of a file's columns, as each delimiter would make them; Parquet has no other.

    Raises: TransactionsError: the file cannot be read.
    """
    _refuse_other_kinds(path)
    try:
        if not _is_parquet(path):
            return read_headers(path)
        with pq.ParquetFile(path) as file:
            return {",": file.schema_arrow.names}
    except Fault as fault:
        message = str(fault)
    except (pa.ArrowException, OSError):
        message = _NO_PARQUET
    raise TransactionsError(f"{path.name}: {message}")


def _refuse_other_kinds(path: Path) -> None:
    if not path.is_file():
        raise TransactionsError(f"{path}: {'no file' if path.exists() else 'does not exist'}")
    if not path.name.lower().endswith(SUFFIXES):
        raise TransactionsError(f"{path.name}: neither .csv, .csv.gz nor .parquet")
    if not path.stat().st_size:
        raise TransactionsError(f"{path.name}: is empty")


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(".parquet")


_Found = dict[str, tuple[str, pa.Array]]  # by our names: the file's name, the values


def _read_parquet(path: Path, wanted: Sequence[Wanted]) -> _Found:
    try:
        with pq.ParquetFile(path) as file:
            present = file.schema_arrow.names
            places = _places(present, wanted)
            table = file.read(columns=[present[place] for place in places.values()])
    except (pa.ArrowException, OSError):
        raise Fault(_NO_PARQUET) from None
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


def _read_csv(path: Path, wanted: Sequence[Wanted], delimiter: str) -> _Found:
    """All cells as text."""
    try:
        header, cells = read_cells(path, lambda header: _places(header, wanted), delimiter)
    except Fault as fault:
        if otherwise := _separated_otherwise(path, wanted):
            raise Fault(otherwise) from None
        raise fault from None
    places = _places(header, wanted)
    return {name: (header[place].strip(), cells[name]) for name, place in places.items()}


def _separated_otherwise(path: Path, wanted: Sequence[Wanted]) -> str | None:
    """What separates the columns, where they would be found with another delimiter."""
    for mark, names in read_headers(path).items():
        if mark != "," and fits(names, wanted):
            return f"its columns are separated by {PLURALS[mark]}; write it with commas"
    return None


def fits(names: Sequence[str], wanted: Sequence[Wanted]) -> bool:
    """Whether all columns that are required are among these."""
    return all(any(map(column.answers_to, names)) for column in wanted if column.required)


class MissingColumns(Fault):
    """Columns that are required are not there; all of them are named."""


def _places(present: Sequence[str], wanted: Sequence[Wanted]) -> dict[str, int]:
    """Where the columns stand, by our names. Raises: Fault: one is missing, or there twice."""
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
            raise Fault(f"{told}; leave the one that counts")
        if found:
            places[column.name] = found[0]
    missing = [column for column in wanted if column.required and column.name not in places]
    if missing:
        raise MissingColumns(_missing(missing))
    return places


def _missing(columns: Sequence[Wanted]) -> str:
    names = " and no column ".join(column.given or column.name for column in columns)
    published = " and ".join(
        column.published for column in columns if column.published and not column.given
    )
    return f"no column {names} (or {published})" if published else f"no column {names}"
