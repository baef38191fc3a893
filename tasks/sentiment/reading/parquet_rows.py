"""Rows of Parquet, in small batches of the asked columns only."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.sentiment.errors import SourceError, first_line
from tasks.sentiment.reading.nested import find_field
from tasks.sentiment.reading.raw_rows import (
    HalfFloat,
    NarrowFloat,
    RawRow,
    RowReader,
    refuse_repeated,
)

_ROWS_PER_BATCH = 2_048
_NARROW = {pa.float32(): NarrowFloat, pa.float16(): HalfFloat}
_TEXT = frozenset({pa.string(), pa.large_string(), pa.string_view()})
_BINARY = frozenset({pa.binary(), pa.large_binary(), pa.binary_view()})
_LONG = frozenset({pa.int64(), pa.uint64()})
_EXACT_UP_TO = 2**53  # up to here each whole number is one of double precision
_FIELDS_NAMED = 10
_BUFFER_BYTES = 1 << 20  # without one a whole row group's column is held in memory


class ParquetReader(RowReader):
    """Rows of one Parquet file."""

    def __init__(self, content: Path | IO[bytes], file: str) -> None:
        """Read the schema.

        Raises: SourceError: not a Parquet file, a column in it twice.
        """
        self.place, self.how = file, "Parquet"
        try:
            self._parquet = pq.ParquetFile(content, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except pa.ArrowException as error:
            raise SourceError(f"{file} cannot be read as Parquet: {first_line(error)}") from error
        self.columns = self._parquet.schema_arrow.names
        refuse_repeated(self.columns, file)

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Types of the values that `rows` gives: dictionaries decoded, binary as text."""
        return {field.name: _plain(field.type) for field in self._parquet.schema_arrow}

    def beyond_double(self) -> set[str]:
        """Columns of whole numbers of which some may be too large for a float to hold them."""
        long = {name for name, kind in self.types.items() if kind in _LONG}
        metadata = self._parquet.metadata
        paths = (metadata.schema.column(i).path for i in range(metadata.num_columns))
        places = [(i, path) for i, path in enumerate(paths) if path in long]
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups if places else 0)]
        return {
            path
            for i, path in places
            if not all(_is_exact(group.column(i).statistics) for group in groups)
        }

    def require(self, columns: Sequence[str]) -> None:
        """Raises: SourceError: one of `columns` is no column and no field of one."""
        schema = self._parquet.schema_arrow
        super().require([name for name in columns if not find_field(schema, name)])

    def refuse_as_text(self, column: str) -> None:
        """Raises: SourceError: the column holds structs, lists or maps."""
        kind = find_field(self._parquet.schema_arrow, column)[-1].type
        if pa.types.is_struct(kind):
            fields = ", ".join(f"{column}.{name}" for name in kind.names[:_FIELDS_NAMED])
            raise SourceError(
                f"the column {column} of {self.place} is a struct, not text: ask for one of its"
                f" fields, {fields}"
            )
        if pa.types.is_nested(kind):
            raise SourceError(f"the column {column} of {self.place} holds {kind}, not text")

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows; values are native Python, binary columns are read as UTF-8 text.

        Raises: SourceError: the file is damaged.
        """
        names = list(dict.fromkeys(columns))
        schema = self._parquet.schema_arrow
        paths = [[field.name for field in find_field(schema, name)] for name in names]
        row_number = 0
        batches = self._parquet.iter_batches(
            batch_size=_ROWS_PER_BATCH, columns=names, use_threads=False
        )
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise SourceError(
                    f"{self.place} is damaged after row {row_number} ({first_line(error)}): "
                    "nothing was written"
                ) from error
            if batch is None:
                return
            try:
                values = [_values(_column(batch, path)) for path in paths]
            except (OverflowError, ValueError) as error:
                raise SourceError(
                    f"{self.place} has a value after row {row_number} that cannot be read"
                    f" ({first_line(error)}): nothing was written"
                ) from error
            for cells in zip(*values, strict=True):
                row_number += 1
                yield RawRow(row_number, self.place, dict(zip(names, cells, strict=True)), None)

    def close(self) -> None:
        """Let go of the file."""
        self._parquet.close()


def _column(batch: pa.RecordBatch, path: Sequence[str]) -> pa.Array:
    column = batch.column(path[0])
    return pc.struct_field(column, list(path[1:])) if len(path) > 1 else column


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if narrow := _NARROW.get(kind):
        return [None if cell is None else narrow(cell) for cell in column.to_pylist()]
    if kind not in _BINARY:
        try:
            values: list[object] = column.to_pylist()
        except UnicodeDecodeError:
            if kind not in _TEXT:
                raise
        else:
            return values
    cells = column.cast(pa.large_binary()).to_pylist()
    return [None if cell is None else cell.decode("utf-8", "surrogateescape") for cell in cells]


def _is_exact(statistics: pq.Statistics | None) -> bool:
    if statistics is None or not statistics.has_min_max:
        return statistics is not None and statistics.num_values == 0
    ends = statistics.min, statistics.max
    return all(isinstance(end, int) and abs(end) <= _EXACT_UP_TO for end in ends)


def common_type(kinds: Collection[pa.DataType], *, is_exact: bool) -> pa.DataType | None:
    """The type that holds the values of all these types as they are: of whole numbers and floats
    a float. None: there is none, as of numbers and booleans.

    is_exact: a float can hold each of the whole numbers.
    """
    if len(kinds) < 2:
        return next(iter(kinds), None)
    if all(map(pa.types.is_integer, kinds)):
        return None if pa.uint64() in kinds else pa.int64()
    are_numbers = all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)
    return pa.float64() if are_numbers and is_exact else None


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if kind in _BINARY:
        return pa.string()
    return kind
