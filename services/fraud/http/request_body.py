"""Bodies of requests in JSON as the types in `schema`; what is wrong becomes a problem."""

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from services.fraud.http.header_values import Pairs, is_identity, joined, media_type
from services.fraud.http.json_list import PIECE_BYTES, NoJson, OtherShape, pieces
from services.fraud.http.problem import CLOSE, HttpProblem, too_large
from services.fraud.scoring.handbook_rules import are_possible, contradiction
from services.fraud.scoring.model_input import DetectRequest, ModelInput, WrongNames
from services.fraud.scoring.schema import MOST_LABELS, GivenLabel, Label, LabelsRequest

Request = TypeVar("Request", bound=BaseModel)

MOST_FIELDS = 20  # that a problem names
LABELS = "labels"
ROW = "transaction_data"
SEE_FIELDS = "the request is not as documented; see fields"
_labels = TypeAdapter(list[Label])
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*:)?', re.DOTALL)


def check_head(
    path: str, types: Sequence[str], max_bytes: int, headers: Pairs, asked: dict[bytes, bytes]
) -> str:
    """The media type of a body that may be read.

    Raises: HttpProblem: it is of another type, packed, or too large.
    """
    given_type = media_type(asked.get(b"content-type", b"").decode("latin-1"))
    if given_type not in types:
        raise HttpProblem(
            415,
            "unsupported_media_type",
            f"send {' or '.join(types)} in Content-Type",
            headers=CLOSE,
        )
    if b"content-encoding" in asked and not is_identity(joined(headers, b"content-encoding")):
        raise HttpProblem(
            415, "unsupported_media_type", "send the body without Content-Encoding", headers=CLOSE
        )
    length = asked.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > max_bytes:
        raise too_large(path, max_bytes)
    return given_type


def without_mark(body: bytes) -> bytes:
    """A JSON body without the byte order mark that some editors and shells put first.

    Raises: HttpProblem: it is marked as UTF-16.
    """
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise HttpProblem(400, "invalid_json", "Invalid JSON: it is in UTF-16; send UTF-8")
    return body.removeprefix(BOM_UTF8)


def parsed(request: type[Request], body: bytes) -> Request:
    """A body that is parsed at once, for it is small.

    Raises: HttpProblem: it is no JSON, not as documented, or holds a field twice.
    """
    try:
        found = request.model_validate_json(body)
    except ValidationError as error:
        raise _problem(_faults(error)) from None
    _check_names(body, _fields_set(found))
    return found


def parsed_features(model_input: ModelInput, body: bytes) -> DetectRequest:
    """The features of a transaction, given as a list or by name.

    Raises: HttpProblem: as `parsed`.
    """
    try:
        found = model_input.request.model_validate_json(body)
    except ValidationError as error:
        return _by_name(model_input, body, _faults(error))
    _check_names(body, _fields_set(found))
    if model_input.is_handbook and not are_possible(found.transaction_data):
        number, fault = contradiction(found.transaction_data)
        raise _wrong_field(f"{ROW}.{number}", fault)
    return found


def _by_name(
    model_input: ModelInput, body: bytes, faults: Sequence[dict[str, Any]]
) -> DetectRequest:
    """A body whose features are given by name. faults: why it is none that gives them as a list.

    Raises: HttpProblem: they are not given by name either, or wrongly.
    """
    is_list = all(fault["type"] != "list_type" for fault in faults)
    given = {} if is_list else from_json(body)
    named = given.get(ROW)
    if not isinstance(named, dict):
        raise _problem(faults)
    try:
        row = model_input.in_order(named)
        found = model_input.request.model_validate({**given, ROW: row})
    except WrongNames as error:
        raise _wrong_field(ROW, str(error)) from None
    except ValidationError as error:
        raise _problem([_named(model_input, fault) for fault in _faults(error)]) from None
    _check_names(body, _fields_set(found) + len(named))
    if model_input.is_handbook and not are_possible(row):
        number, fault = contradiction(row)
        raise _wrong_field(f"{ROW}.{model_input.names[number]}", fault)
    return found


def _named(model_input: ModelInput, fault: dict[str, Any]) -> dict[str, Any]:
    """A fault of a row in order as one of the feature."""
    field, *place = fault["loc"]
    names = [model_input.names[number] for number in place]
    return {**fault, "loc": (field, *names)}


def parsed_labels(body: bytes) -> list[GivenLabel]:
    """The labels of a body, which may be many.

    Raises: HttpProblem: as `parsed`, or two of one time contradict each other.
    """
    if len(body) <= PIECE_BYTES:
        labels = _light(parsed(LabelsRequest, body).labels)
    else:
        labels = _labels_in_pieces(body)
    _check_contradictions(labels)
    return labels


def _labels_in_pieces(body: bytes) -> list[GivenLabel]:
    labels: list[GivenLabel] = []
    faults: list[dict[str, Any]] = []
    count = 0
    try:
        for piece in pieces(body, LABELS):
            found, wrong = _labels_of(piece, count)
            labels += found
            faults += wrong
            count += len(found) or len(from_json(piece))
            if len(faults) >= MOST_FIELDS or count > MOST_LABELS:
                break
    except OtherShape:
        raise _wrong_field("body", 'give an object {"labels": […]}') from None
    except NoJson as error:
        raise HttpProblem(400, "invalid_json", f"Invalid JSON: {error}") from None
    if faults:
        raise _problem(faults)
    if not 0 < count <= MOST_LABELS:
        raise _wrong_field(LABELS, f"give 1 to {MOST_LABELS:,} labels")
    return labels


def _check_contradictions(labels: Sequence[GivenLabel]) -> None:
    """Raises: HttpProblem: two labels of a transaction and a time say otherwise."""
    known: dict[tuple[str, datetime | None], bool] = {}
    for number, label in enumerate(labels):
        key = (label.transaction_id, label.labelled_at)
        if known.setdefault(key, label.is_fraud) != label.is_fraud:
            field = f"{LABELS}.{number}.is_fraud"
            raise _wrong_field(field, "another label says otherwise of this transaction and time")


def _labels_of(piece: bytes, before: int) -> tuple[list[GivenLabel], list[dict[str, Any]]]:
    """The labels of a piece, or what is wrong with some; `before`: labels in pieces before."""
    try:
        labels = _labels.validate_json(piece)
    except ValidationError as error:
        faults = _faults(error)
    else:
        _check_names(piece, sum(map(_fields_set, labels)))
        return _light(labels), []
    if faults[0]["type"] == "json_invalid":
        raise _problem(faults)
    for fault in faults:
        number, *rest = fault["loc"]
        fault["loc"] = (LABELS, before + number, *rest)
    return [], faults


def _fields_set(found: BaseModel) -> int:
    """How many fields a value was given, those of its labels included."""
    labels = found.labels if isinstance(found, LabelsRequest) else []
    return len(found.model_fields_set) + sum(map(_fields_set, labels))


def _check_names(body: bytes, fields: int) -> None:
    """Refuse names that an object holds twice: parsers take the last one, and say nothing.

    A body is parsed into types that know every name it may hold, so that it holds one twice if it
    has more names than fields were set. Only then is it looked at closely.

    Raises: HttpProblem: an object of the body holds a field twice.
    """
    if body.count(b":") <= fields:  # a colon follows each name: there cannot be more
        return
    if count_names(body) > fields and (name := repeated_name(body)):
        raise _wrong_field(name, "is there twice: send it once")


def _light(labels: Sequence[Label]) -> list[GivenLabel]:
    return [GivenLabel(label.transaction_id, label.is_fraud, label.labelled_at) for label in labels]


def _faults(error: ValidationError) -> list[dict[str, Any]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [dict(fault) for fault in found]


def _problem(faults: Sequence[dict[str, Any]]) -> HttpProblem:
    if faults[0]["type"] == "json_invalid":
        return HttpProblem(400, "invalid_json", faults[0]["msg"])
    fields = [
        {
            "field": ".".join(str(part) for part in fault["loc"]) or "body",
            "message": fault["msg"].removeprefix("Value error, "),
        }
        for fault in faults[:MOST_FIELDS]
    ]
    return HttpProblem(422, "invalid_request", SEE_FIELDS, fields)


def _wrong_field(field: str, message: str) -> HttpProblem:
    return HttpProblem(422, "invalid_request", SEE_FIELDS, [{"field": field, "message": message}])


def count_names(body: bytes) -> int:
    """How many names there are in JSON that has been parsed."""
    return sum(map(bool, _STRING.findall(body)))


def repeated_name(body: bytes) -> str:
    """The first name that an object holds twice; empty if none does."""
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                repeated.append(name)
            names.add(name)

    json.loads(body, object_pairs_hook=look)
    return repeated[0] if repeated else ""
