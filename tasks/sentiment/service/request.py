"""What the service is asked and answers, and the one shape in which callers are told of faults."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.sentiment.text import clean

MOST_CHARACTERS = 20_000
MAX_BYTES = (
    12 * MOST_CHARACTERS + 2**10
)  # of a body: the longest text, each character as two escapes
SEE_FIELDS = "the request is not as documented; see fields"

Headers = tuple[tuple[bytes, bytes], ...]


class ScoreRequest(BaseModel):
    """One text whose sentiment is asked for."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    text: Annotated[str, Field(strict=True, min_length=1, max_length=MOST_CHARACTERS)]


class ScoreAnswer(BaseModel):
    """The likeliest label, and the probability of each label that the model knows."""

    label: str
    probabilities: dict[str, float]
    model: str
    digest: str
    request_id: str


@dataclass
class Problem(Exception):
    """A request that is not answered: status, stable code, and what to do."""

    status: int
    code: str
    message: str
    fields: list[dict[str, str]] = field(default_factory=list)
    headers: Headers = ()

    def body(self, request_id: str) -> bytes:
        """The answer, as JSON."""
        told = {"code": self.code, "message": self.message, "fields": self.fields}
        return json.dumps({"error": {**told, "request_id": request_id}}).encode()


def text_of(body: bytes) -> str:
    """The text of a request, cleaned as the nightly run cleans its texts.

    Raises: Problem: the body is no JSON, not as documented, or its text is blank.
    """
    try:
        pairs = json.loads(body, object_pairs_hook=_each_once)
        request = ScoreRequest.model_validate(pairs)
    except ValidationError as error:
        raise _wrong(_faults(error)) from None
    except RecursionError:
        raise Problem(400, "invalid_json", "the body is nested too deeply") from None
    except ValueError as error:  # also of bytes that are no UTF-8
        raise Problem(400, "invalid_json", f"the body is no JSON: {error}") from None
    text = clean(request.text)
    if not text:
        raise _wrong([{"field": "text", "message": "is blank, but for mark-up: give some words"}])
    return text


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are there once: of two, parsers take the last, and say nothing."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _wrong([{"field": twice[:100], "message": "is there twice: send it once"}])
    return found


def _faults(error: ValidationError) -> list[dict[str, str]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        {"field": ".".join(map(str, fault["loc"]))[:100] or "body", "message": fault["msg"]}
        for fault in found[:20]
    ]


def _wrong(fields: list[dict[str, str]]) -> Problem:
    return Problem(422, "invalid_request", SEE_FIELDS, fields)
