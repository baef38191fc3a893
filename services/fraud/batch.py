"""Bodies of many rows, and their answers: JSON here, tables in `arrow_body`.

A row that is wrong is refused alone.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from services.fraud.arrow_body import FILE, PARQUET, STREAM, TABLES, Unreadable, read_table
from services.fraud.features import FEATURES
from services.fraud.refusal import Refusal, too_large
from services.fraud.schema import LARGEST, MOST_JSON_ROWS, BatchRequest, FeatureRow

if TYPE_CHECKING:
    from services.fraud.detector import Rows

__all__ = ["FILE", "PARQUET", "STREAM", "TABLES", "Batch", "Unreadable", "read", "write"]

JSON_MAX_BYTES = 8 * 2**20  # they unfold into objects thirty times as large
MOST_EXPLAINED = 1_000  # refused rows of a body: an explanation is larger than a row
UNEXPLAINED = f"refused; only the first {MOST_EXPLAINED:,} are explained"
_row = TypeAdapter(FeatureRow)


@dataclass(frozen=True)
class Batch:
    """The rows of a body.

    features: shape (n, 15); rows that are refused hold zeros. errors: of the first refused rows,
    by number of row.
    """

    features: NDArray[np.float32]
    refused: NDArray[np.bool_]
    errors: dict[int, dict[str, str]]

    def error(self, number: int) -> dict[str, str]:
        """What is wrong with a row that is refused."""
        unexplained = {"field": f"transaction_data.{number}", "message": UNEXPLAINED}
        return self.errors.get(number, unexplained)


def read(body: bytes, media_type: str) -> Batch:
    """The rows of a body.

    Raises:
        Unreadable: no row can be told from another.
        Refusal: it is no JSON, or too large for JSON.
    """
    if media_type in TABLES:
        return _check(read_table(body, media_type))
    return _from_lists(_lists(body))


def _lists(body: bytes) -> list[Any]:
    """The rows of a JSON body, whatever they are."""
    if len(body) > JSON_MAX_BYTES:
        refusal = too_large("/score_batch", JSON_MAX_BYTES)
        refusal.message += " as JSON; send more rows as an Arrow or Parquet table"
        raise refusal
    wrong_count = Unreadable("transaction_data", f"give 1 to {MOST_JSON_ROWS:,} rows of 15 numbers")
    # An empty list is two bytes here and eighty in memory: they are counted while they are bytes.
    if body.count(b"[") + body.count(b"{") > 2 * MOST_JSON_ROWS:
        raise wrong_count
    try:
        given = from_json(body)  # 1e400 and NaN become numbers, which fail in their rows alone
    except ValueError as error:
        raise Refusal(400, "invalid_json", f"Invalid JSON: {error}") from None
    if not isinstance(given, dict) or set(given) != set(BatchRequest.model_fields):
        raise Unreadable("body", 'give an object {"transaction_data": [[15 numbers], …]}')
    rows = given["transaction_data"]
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_JSON_ROWS:
        raise wrong_count
    return rows


def _from_lists(rows: list[Any]) -> Batch:
    features = np.zeros((len(rows), len(FEATURES)), np.float32)
    refused = np.zeros(len(rows), bool)
    errors: dict[int, dict[str, str]] = {}
    for number, row in enumerate(rows):  # at once is slower: it keeps a copy of all lists
        try:
            features[number] = _row.validate_python(row)
        except ValidationError as error:
            refused[number] = True
            if len(errors) < MOST_EXPLAINED:
                errors[number] = _explained(number, error)
    return Batch(features, refused, errors)


def _explained(number: int, error: ValidationError) -> dict[str, str]:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in ("transaction_data", number, *fault["loc"]))
    return {"field": path, "message": fault["msg"]}


def _check(rows: NDArray[np.float64]) -> Batch:
    with np.errstate(invalid="ignore"):
        good = (rows >= 0) & (rows <= LARGEST)  # NaN is neither
    refused: NDArray[np.bool_] = np.logical_not(good.all(axis=1))
    errors = {
        int(number): {
            "field": FEATURES[int(np.argmin(good[number]))],
            "message": f"give a number from 0 to {LARGEST:g}",
        }
        for number in np.flatnonzero(refused)[:MOST_EXPLAINED]
    }
    rows[refused] = 0
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
    refused = np.flatnonzero(batch.refused).tolist()
    for number in refused:
        results[number] = {"is_fraud": None, "probability": None, "error": batch.error(number)}
    answer = {
        "results": results,
        "rows": len(results),
        "rejected": len(refused),
        "threshold": found.threshold,
        "model": found.model,
        "request_id": request_id,
    }
    return orjson.dumps(answer), b"application/json"


def _write_arrow(batch: Batch, found: "Rows", request_id: str) -> bytes:
    import pyarrow as pa

    texts = [UNEXPLAINED if refused else None for refused in batch.refused.tolist()]
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
