"""Bodies of many rows, and their answers: JSON here, tables in `arrow_body`.

A row that is wrong is refused alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from services.fraud.http.arrow_body import STREAM, TABLES, Unreadable, read_table
from services.fraud.http.header_values import prefers_json
from services.fraud.http.json_list import PIECE_BYTES, OtherShape, pieces
from services.fraud.http.problem import HttpProblem, too_large
from services.fraud.http.request_body import count_names, repeated_name
from services.fraud.scoring.handbook_rules import contradiction, possible_rows
from services.fraud.scoring.model_input import HANDBOOK_INPUT, ModelInput, WrongNames
from services.fraud.scoring.schema import LARGEST, MOST_JSON_ROWS

if TYPE_CHECKING:
    from services.fraud.scoring.detector import Rows

JSON_MAX_BYTES = 8 * 2**20  # they unfold into objects thirty times as large
MOST_EXPLAINED = 1_000  # refused rows of a body: an explanation is larger than a row
UNEXPLAINED = f"refused; only the first {MOST_EXPLAINED:,} are explained"
ROWS = "transaction_data"
RESULTS_AT_ONCE = 5_000  # of an answer in JSON, for which Python's lock is held


@dataclass(frozen=True)
class Batch:
    """The rows of a body.

    features: shape (n, width); rows that are refused hold zeros. errors: of the first refused rows,
    by number of row.
    """

    features: NDArray[np.float32]
    refused: NDArray[np.bool_]
    errors: dict[int, dict[str, str]]

    def error(self, number: int) -> dict[str, str]:
        """What is wrong with a row that is refused."""
        unexplained = {"field": f"transaction_data.{number}", "message": UNEXPLAINED}
        return self.errors.get(number, unexplained)


def read(body: bytes, media_type: str, model_input: ModelInput = HANDBOOK_INPUT) -> Batch:
    """The rows of a body, checked for a model that reads these features.

    Raises:
        Unreadable: no row can be told from another.
        HttpProblem: it is no JSON, or too large for JSON.
    """
    if media_type in TABLES:
        found = _check(read_table(body, media_type, model_input), model_input)
    else:
        found = _read_json(body, model_input)
    if model_input.is_handbook:
        names = model_input.names if media_type in TABLES else None
        _refuse_impossible(found, names)
    return found


def _refuse_impossible(batch: Batch, names: Sequence[str] | None) -> None:
    """Refuse the rows whose features contradict each other. names: of the columns of a table."""
    wrong = np.flatnonzero(~possible_rows(batch.features))
    for number in wrong[: MOST_EXPLAINED - len(batch.errors)].tolist():
        place, message = contradiction(batch.features[number].tolist())
        field = names[place] if names else f"{ROWS}.{number}.{place}"
        batch.errors[number] = {"field": field, "message": message}
    batch.refused[wrong] = True
    batch.features[wrong] = 0


def _read_json(body: bytes, model_input: ModelInput) -> Batch:
    """The rows of a JSON body; the lock of Python is let go between some of them and others."""
    features, refused = [], []
    errors: dict[int, dict[str, str]] = {}
    count, most = 0, model_input.most_rows(MOST_JSON_ROWS)
    for rows in _lists(body, model_input):
        of_part = _from_lists(rows, count, errors, model_input)
        features.append(of_part[0])
        refused.append(of_part[1])
        count += len(rows)
        if count > most:
            break
    if not 0 < count <= most:
        raise _wrong_count(model_input)
    return Batch(np.concatenate(features), np.concatenate(refused), errors)


def _lists(body: bytes, model_input: ModelInput) -> Iterator[list[Any]]:
    """The rows of a JSON body, whatever they are, some at a time."""
    if len(body) > JSON_MAX_BYTES:
        problem = too_large("/score_batch", JSON_MAX_BYTES)
        problem.message += " as JSON; send more rows as an Arrow table"
        raise problem
    # An empty list is two bytes here and eighty in memory: they are counted while they are bytes.
    if body.count(b"[") + body.count(b"{") > 2 * MOST_JSON_ROWS:
        raise _wrong_count(model_input)
    try:
        if len(body) <= PIECE_BYTES:
            yield _whole_list(body, model_input)
        else:
            for piece in pieces(body, ROWS):
                rows = from_json(piece)
                _check_names(piece, rows, 0)
                yield rows
    except OtherShape:
        wanted = f'give an object {{"transaction_data": [[{model_input.width} numbers], …]}}'
        raise Unreadable("body", wanted) from None
    except ValueError as error:
        raise HttpProblem(400, "invalid_json", f"Invalid JSON: {error}") from None


def _wrong_count(model_input: ModelInput) -> Unreadable:
    most = model_input.most_rows(MOST_JSON_ROWS)
    return Unreadable(ROWS, f"give 1 to {most:,} rows of {model_input.width} numbers")


def _whole_list(body: bytes, model_input: ModelInput) -> list[Any]:
    given = from_json(body)  # 1e400 and NaN become numbers, which fail in their rows alone
    if not isinstance(given, dict) or set(given) != {ROWS}:
        raise OtherShape
    rows = given[ROWS]
    if not isinstance(rows, list):
        raise _wrong_count(model_input)
    _check_names(body, rows, 1)
    return rows


def _check_names(body: bytes, rows: list[Any], beside: int) -> None:
    """Of rows that are objects. beside: names that the body holds outside of them.

    Raises: Unreadable: a row holds a name twice, of which the parser took the last.
    """
    if body.count(b":") <= beside:
        return
    names = beside + sum(len(row) for row in rows if isinstance(row, dict))
    if count_names(body) > names and (name := repeated_name(body)):
        raise Unreadable(name, "is there twice in a row: send it once")


def _from_lists(
    rows: list[Any], before: int, errors: dict[int, dict[str, str]], model_input: ModelInput
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features and refused rows, with what is wrong added to `errors`; `before`: rows before."""
    features = np.zeros((len(rows), model_input.width), np.float32)
    refused, validate = np.zeros(len(rows), bool), model_input.row.validate_python
    for number, row in enumerate(rows):  # at once is slower: it keeps a copy of all lists
        try:
            if isinstance(row, dict):
                row = model_input.in_order(row)
            features[number] = validate(row)
        except (ValidationError, WrongNames) as error:
            refused[number] = True
            if len(errors) < MOST_EXPLAINED:
                names = model_input.names if isinstance(rows[number], dict) else None
                errors[before + number] = _explained(before + number, error, names)
    return features, refused


def _explained(
    number: int, error: ValidationError | WrongNames, names: tuple[str, ...] | None
) -> dict[str, str]:
    """names: of the features, where they were given by name."""
    path: list[Any] = [ROWS, number]
    if isinstance(error, WrongNames):
        return {"field": f"{ROWS}.{number}", "message": str(error)}
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path += [names[int(place)] for place in fault["loc"]] if names else fault["loc"]
    return {"field": ".".join(map(str, path)), "message": fault["msg"]}


def _check(rows: NDArray[np.float64], model_input: ModelInput) -> Batch:
    with np.errstate(invalid="ignore"):
        good = (rows >= model_input.least) & (rows <= LARGEST)  # NaN is neither
    refused: NDArray[np.bool_] = np.logical_not(good.all(axis=1))
    errors = {
        int(number): {
            "field": model_input.names[int(np.argmin(good[number]))],
            "message": f"give a number {model_input.range}",
        }
        for number in np.flatnonzero(refused)[:MOST_EXPLAINED]
    }
    rows[refused] = 0
    return Batch(rows.astype(np.float32), refused, errors)


def write(
    batch: Batch, found: "Rows", media_type: str, accept: str, request_id: str
) -> tuple[bytes, bytes]:
    """The answer and its media type: as asked for, else a table for a table, JSON for JSON."""
    if not prefers_json(accept, otherwise=media_type not in TABLES):
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
    parts = [
        orjson.dumps(results[start : start + RESULTS_AT_ONCE])[1:-1]
        for start in range(0, len(results), RESULTS_AT_ONCE)
    ]
    rest = {
        "rows": len(results),
        "rejected": len(refused),
        "threshold": found.threshold,
        "model": found.model,
        "request_id": request_id,
    }
    return b'{"results":[%b],%b' % (b",".join(parts), orjson.dumps(rest)[1:]), b"application/json"


def _format_error(error: dict[str, str]) -> str:
    return f"{error['field']}: {error['message']}"


def _write_arrow(batch: Batch, found: "Rows", request_id: str) -> bytes:
    import pyarrow as pa

    # Each text once, and for each refused row which: a million rows take no list in Python.
    explained = list(batch.errors)
    texts = [UNEXPLAINED, *(_format_error(batch.errors[number]) for number in explained)]
    which = np.zeros(len(batch.refused), np.int32)
    which[explained] = np.arange(1, len(texts))
    columns = {
        "is_fraud": pa.array(found.is_fraud, mask=batch.refused),
        "probability": pa.array(found.probabilities, mask=batch.refused),
        "error": pa.array(texts, pa.string()).take(pa.array(which, mask=~batch.refused)),
    }
    table = pa.table(columns).replace_schema_metadata(
        {"model": found.model, "threshold": repr(found.threshold), "request_id": request_id}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer: bytes = sink.getvalue().to_pybytes()
    return answer
