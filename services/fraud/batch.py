"""Bodies of many rows: JSON, Arrow streams and files, and Parquet; in and out.

A row that is wrong is refused alone. Arrow is read without copying where columns are numbers.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from services.fraud.features import FEATURES
from services.fraud.schema import LARGEST, MOST_ROWS, BatchRequest, FeatureRow

if TYPE_CHECKING:  # pyarrow takes 60 MB: only a worker that gets tables loads it
    import pyarrow as pa

    from services.fraud.detector import Rows

STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
TABLES = (STREAM, FILE, PARQUET)
_row = TypeAdapter(FeatureRow)


@dataclass
class Unreadable(Exception):
    """The body as a whole cannot be read."""

    path: str
    message: str

    def field(self) -> dict[str, str]:
        """As in the answer's `fields`."""
        return {"field": self.path, "message": self.message}


@dataclass(frozen=True)
class Batch:
    """The rows of a body.

    features: shape (n, 15); rows that are refused hold zeros. errors: by number of row.
    """

    features: NDArray[np.float32]
    refused: NDArray[np.bool_]
    errors: dict[int, dict[str, str]]


def read(body: bytes, media_type: str) -> Batch:
    """The rows of a body.

    Raises:
        Unreadable: no row can be told from another.
    """
    if media_type in TABLES:
        return _check(_table(body, media_type))
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable("body", f"no JSON: {error}") from None
    if not isinstance(given, dict) or set(given) != set(BatchRequest.model_fields):
        raise Unreadable("body", 'give an object {"transaction_data": [[15 numbers], …]}')
    rows = given["transaction_data"]
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_ROWS:
        raise Unreadable("transaction_data", f"give 1 to {MOST_ROWS:,} rows of 15 numbers")
    return _from_lists(rows)


def _from_lists(rows: list[Any]) -> Batch:
    features = np.zeros((len(rows), len(FEATURES)), np.float32)
    errors: dict[int, dict[str, str]] = {}
    for number, row in enumerate(rows):
        try:
            features[number] = _row.validate_python(row)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
            path = ".".join(str(part) for part in ("transaction_data", number, *fault["loc"]))
            errors[number] = {"field": path, "message": fault["msg"]}
    refused = np.zeros(len(rows), bool)
    refused[list(errors)] = True
    return Batch(features, refused, errors)


def _table(body: bytes, media_type: str) -> NDArray[np.float64]:
    """The columns of a table as rows; what is missing is NaN.

    Raises:
        Unreadable: it is no such table, or has other columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = pa.BufferReader(body)
    try:
        if media_type == PARQUET:
            with pq.ParquetFile(source) as file:
                if file.metadata.num_rows > MOST_ROWS:
                    raise Unreadable("body", f"give at most {MOST_ROWS:,} rows")
                known = {name.lower() for name in FEATURES}
                names = [name for name in file.schema_arrow.names if name.lower() in known]
                table = file.read(columns=names)
        elif media_type == FILE:
            table = pa.ipc.open_file(source).read_all()
        else:
            table = pa.ipc.open_stream(source).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unreadable("body", f"no readable {media_type}: {str(error)[:120]}") from None
    if not 0 < table.num_rows <= MOST_ROWS:
        raise Unreadable("body", f"give 1 to {MOST_ROWS:,} rows")
    columns = {name.lower(): place for place, name in enumerate(table.column_names)}
    missing = [name for name in FEATURES if name.lower() not in columns]
    if missing:
        raise Unreadable("body", f"columns are missing: {', '.join(missing)}")
    rows = np.empty((table.num_rows, len(FEATURES)))
    for place, name in enumerate(FEATURES):
        rows[:, place] = _numbers(table.column(columns[name.lower()]), name)
    return rows


def _numbers(column: "pa.ChunkedArray", name: str) -> NDArray[np.float64]:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise Unreadable(name, f"holds {kind}, not numbers")
    numbers: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return numbers


def _check(rows: NDArray[np.float64]) -> Batch:
    with np.errstate(invalid="ignore"):
        good = (rows >= 0) & (rows <= LARGEST)  # NaN is neither
    refused: NDArray[np.bool_] = np.logical_not(good.all(axis=1))
    errors = {}
    if refused.any():
        for number in np.flatnonzero(refused):
            place = int(np.argmin(good[number]))
            errors[int(number)] = {
                "field": FEATURES[place],
                "message": f"give a number from 0 to {LARGEST:g}",
            }
        rows = np.where(refused[:, None], 0, rows)
    return Batch(rows.astype(np.float32), refused, errors)


def write(
    batch: Batch, found: "Rows", media_type: str, accept: str, request_id: str
) -> tuple[bytes, bytes]:
    """The answer and its media type: as asked for, else a table for a table, JSON for JSON."""
    as_json = "json" in accept or (media_type not in TABLES and "arrow" not in accept)
    if not as_json:
        return _write_arrow(batch, found, request_id), STREAM.encode()
    results = [
        {"is_fraud": is_fraud, "probability": probability, "error": None}
        for is_fraud, probability in zip(
            found.is_fraud.tolist(), found.probabilities.tolist(), strict=True
        )
    ]
    for number, error in batch.errors.items():
        results[number] = {"is_fraud": None, "probability": None, "error": error}
    answer = {
        "results": results,
        "rows": len(results),
        "rejected": len(batch.errors),
        "threshold": found.threshold,
        "model": found.model,
        "request_id": request_id,
    }
    return orjson.dumps(answer), b"application/json"


def _write_arrow(batch: Batch, found: "Rows", request_id: str) -> bytes:
    import pyarrow as pa

    texts: list[str | None] = [None] * len(batch.refused)
    for number, error in batch.errors.items():
        texts[number] = f"{error['field']}: {error['message']}"
    columns = {
        "is_fraud": pa.array(found.is_fraud, mask=batch.refused),
        "probability": pa.array(found.probabilities, mask=batch.refused),
        "error": pa.array(texts, pa.string()),
    }
    table = pa.table(columns).replace_schema_metadata(
        {"model": found.model, "threshold": repr(found.threshold), "request_id": request_id}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer: bytes = sink.getvalue().to_pybytes()
    return answer
