"""Tables as bodies: Arrow streams and Arrow files.

What a body will take in memory is known before any column is decoded, and is at most
`MOST_NUMBERS`: a small body cannot unfold into a large one.

- Names, types and numbers of rows are read from the schema and the metadata, and checked.
- Only the columns that are features are decoded, a batch at a time.
- Bodies are not compressed: there, each buffer would itself say how large it gets. Parquet is
  compressed, so it is not taken.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.fraud.scoring.model_input import ModelInput
from services.fraud.scoring.schema import MOST_ROWS

if TYPE_CHECKING:  # pyarrow takes 60 MB: only a worker that gets tables loads it
    import pyarrow as pa

STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"
TABLES = (STREAM, FILE)
MAX_SCHEMA_BYTES = 2**20  # it unfolds into objects ten to twenty times as large
ARROW_MAGIC = b"ARROW1"


@dataclass
class Unreadable(Exception):
    """The body as a whole cannot be read."""

    path: str
    message: str

    def field(self) -> dict[str, str]:
        """As in the answer's `fields`."""
        return {"field": self.path, "message": self.message}


def read_table(body: bytes, media_type: str, model_input: ModelInput) -> NDArray[np.float64]:
    """The features of a table as rows, shape (n, width); what is missing is NaN.

    Raises: Unreadable: it is no such table, has other columns, or would become too large.
    """
    import pyarrow as pa

    try:
        source = pa.py_buffer(body)
        if media_type == FILE:
            if not (body.startswith(ARROW_MAGIC) and body.endswith(ARROW_MAGIC)):
                raise Unreadable("body", "is no whole Arrow file")
            source = source.slice(8)  # what follows is a stream, then an index that is not needed
        return _read_stream(source, model_input)
    except (pa.ArrowException, OSError, ValueError, struct.error, LookupError) as error:
        raise Unreadable("body", f"no readable {media_type}: {str(error)[:120]}") from None


def _places(schema: "pa.Schema", features: tuple[str, ...]) -> list[int]:
    """Where each feature stands among the columns.

    Names may be in any case, unless that is all in which two of the features differ.
    """
    import pyarrow.types as types

    found: dict[str, int] = {}
    known = {name.lower(): name for name in features}
    is_exact = len(known) < len(features)
    for place, given in enumerate(schema.names):
        name = known.get(given.lower())
        if is_exact:
            name = given if given in features else None
        if name in found:
            raise Unreadable(name, "is given twice")
        if name is not None:
            found[name] = place
            kind = schema.types[place]
            if not (types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind)):
                raise Unreadable(name, f"holds {str(kind)[:40]}, not numbers")
    missing = [name for name in features if name not in found]
    if missing:
        raise Unreadable("body", f"columns are missing: {', '.join(missing)}")
    return [found[name] for name in features]


def _filled(
    batches: Iterable["pa.RecordBatch"], row_count: int, names: list[str]
) -> NDArray[np.float64]:
    """The rows of all batches. They are let go one by one: an empty one takes kilobytes."""
    import pyarrow as pa

    rows = np.empty((row_count, len(names)))
    begin = 0
    for batch in batches:
        end = begin + batch.num_rows
        if end > row_count:
            break
        batch.validate(full=True)
        for place, name in enumerate(names):
            column = batch.column(name).cast(pa.float64(), safe=False)
            rows[begin:end, place] = column.to_numpy(zero_copy_only=False)
        begin = end
    else:
        if begin == row_count:
            return rows
    raise Unreadable("body", f"says that it has {row_count:,} rows, and has not")


def _read_stream(source: "pa.Buffer", model_input: ModelInput) -> NDArray[np.float64]:
    import pyarrow as pa

    messages = iter(pa.ipc.MessageReader.open_stream(source))
    first = next(messages, None)
    if first is None or first.type != "schema":
        raise Unreadable("body", "does not begin with a schema")
    if first.metadata.size > MAX_SCHEMA_BYTES:
        raise Unreadable("body", f"has a schema of more than {MAX_SCHEMA_BYTES:,} bytes")
    schema = pa.ipc.read_schema(first)
    places = _places(schema, model_input.names)
    row_count = _count(messages, model_input.most_rows(MOST_ROWS))
    options = pa.ipc.IpcReadOptions(included_fields=places, use_threads=False)
    with pa.ipc.open_stream(source, options=options) as reader:
        return _filled(reader, row_count, [schema.names[place] for place in places])


def _count(messages: Iterator["pa.Message"], most_rows: int) -> int:
    """The rows that the messages announce. Nothing in them is compressed."""
    too_many = Unreadable("body", f"give 1 to {most_rows:,} rows")
    row_count = 0
    for message in messages:
        table = _Flat.of(message)
        if (
            message.type == "dictionary"
        ):  # of a column that is no feature; it is opened all the same
            table = table.child(1)
        if table.has(3):
            raise Unreadable("body", "is compressed: send Arrow without compression")
        if message.type == "record batch":
            row_count += table.whole_number(0)
            if not 0 <= row_count <= most_rows:
                raise too_many
    if not row_count:
        raise too_many
    return row_count


@dataclass(frozen=True)
class _Flat:
    """A FlatBuffers table. pyarrow tells neither rows nor compression without decoding.

    Fields have the numbers of their order in Arrow's Message.fbs.
    """

    data: Any  # memoryview; pyarrow has checked that all in it points into it
    start: int

    @classmethod
    def of(cls, message: "pa.Message") -> "_Flat":
        """The header of a message: of a RecordBatch, a DictionaryBatch, …"""
        data = memoryview(message.metadata)
        return cls(data, struct.unpack_from("<I", data, 0)[0]).child(2)

    def _field(self, number: int) -> int:
        vtable = self.start - struct.unpack_from("<i", self.data, self.start)[0]
        slot = 4 + 2 * number
        if slot >= struct.unpack_from("<H", self.data, vtable)[0]:
            return 0
        offset: int = struct.unpack_from("<H", self.data, vtable + slot)[0]
        return self.start + offset if offset else 0

    def has(self, number: int) -> bool:
        return self._field(number) != 0

    def whole_number(self, number: int) -> int:
        place = self._field(number)
        return int(struct.unpack_from("<q", self.data, place)[0]) if place else 0

    def child(self, number: int) -> "_Flat":
        place = self._field(number)
        if not place:
            raise ValueError("a message without content")
        return _Flat(self.data, place + struct.unpack_from("<I", self.data, place)[0])
