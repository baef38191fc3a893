"""Rows of Parquet, in small batches of the asked columns only."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.sentiment.errors import SourceError, first_line
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

    def rows(self, columns: Sequence[str]) -> Iterator[RawRow]:
        """All rows; values are native Python, binary columns are read as UTF-8 text.

        Raises: SourceError: the file is damaged.
        """
        names = list(dict.fromkeys(columns))
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
                values = [_values(batch.column(name)) for name in names]
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


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if kind in _BINARY:
        return pa.string()
    return kind
