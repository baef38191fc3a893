"""The OpenAPI document, from the types in `schema`."""

from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.fraud.http.arrow_body import STREAM, TABLES
from services.fraud.scoring import schema
from services.fraud.scoring.model_input import HANDBOOK_INPUT, BatchRequest, ModelInput

_REFS = "#/components/schemas/{model}"
_SCORING, _LABELS, _PROBES = "Scoring", "Labels", "Probes"
_TAGS = [
    {"name": _SCORING, "description": "Whether transactions are fraud"},
    {"name": _LABELS, "description": "What they have turned out to be, for the audit"},
    {"name": _PROBES, "description": "For whoever watches the service; `/metrics` is Prometheus's"},
]
# Requests that are answered as they stand, and again the same whenever they are sent.
_STRANGE = [248.5, 1, 1, 9, 201.7, 14, 160.2, 48, 77.3, 4, 0.75, 19, 0.42, 65, 0.2]
_EXAMPLES: dict[str, dict[str, Any]] = {
    "/score_transaction": {
        "one transaction": {
            "transaction_id": "example-1",
            "customer_id": "example-customer",
            "terminal_id": "example-terminal",
            "amount": 57.16,
            "time": "2025-03-14T09:30:00Z",
        }
    },
    "/labels": {
        "the transaction above": {"labels": [{"transaction_id": "example-1", "is_fraud": False}]}
    },
}
_TABLE = {"schema": {"type": "string", "format": "binary"}}
_ERRORS = {
    400: "The body is no JSON, or did not arrive whole; or the head names no host, or two",
    401: "No valid key",
    403: "No keys are set, and the caller is on another machine, or asks by another name",
    405: "Another method",
    408: "The body took too long to arrive",
    413: "The body is too large",
    415: "Another Content-Type",
    422: "A field is wrong",
    500: "A fault of the service",
    503: "Too many requests in flight, or nothing to answer with yet; see Retry-After",
}


_MODELS: tuple[type[BaseModel], ...] = (
    schema.DetectAnswer,
    schema.RawTransaction,
    schema.ScoreAnswer,
    BatchRequest,
    schema.BatchAnswer,
    schema.LabelsRequest,
    schema.LabelsAnswer,
    schema.Readiness,
    schema.ErrorAnswer,
)


class Documents:
    """The document of the model that answers, made once for each kind of input."""

    def __init__(self, *, with_keys: bool) -> None:
        """with_keys: whether callers need one."""
        self._with_keys = with_keys
        self._made: dict[ModelInput, bytes] = {}

    def of(self, model_input: ModelInput) -> bytes:
        """As JSON, while a model answers that reads these features."""
        if model_input not in self._made:
            made = orjson.dumps(document(model_input, with_keys=self._with_keys))
            self._made = {model_input: made}
        return self._made[model_input]


def document(model_input: ModelInput, *, with_keys: bool) -> dict[str, Any]:
    """OpenAPI 3.1. with_keys: whether callers need one."""
    _, components = models_json_schema(
        [(model, "validation") for model in (model_input.request, *_MODELS)], ref_template=_REFS
    )
    paths = _paths(model_input)
    if with_keys:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        for operations in paths.values():
            if "post" in operations:
                operations["post"]["security"] = [{"bearer": []}, {"header": []}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fraud detector",
            "version": "1.0.0",
            "description": "Says within milliseconds whether a card transaction is fraud.",
        },
        "tags": _TAGS,
        "paths": paths,
        "components": {"schemas": components.pop("$defs"), **components},
    }


def _examples(model_input: ModelInput) -> dict[str, dict[str, Any]]:
    usual = list(model_input.sample)
    by_name = dict(zip(model_input.names, usual, strict=True))
    rows: dict[str, Any] = {"a usual one": usual, "by name, with reasons": by_name}
    if model_input is HANDBOOK_INPUT:
        rows["at a terminal with many frauds"] = _STRANGE
    detect = {
        name: {"transaction_data": row, **({"reasons": True} if row is by_name else {})}
        for name, row in rows.items()
    }
    two = {"transaction_data": [usual, _STRANGE if model_input is HANDBOOK_INPUT else usual]}
    return {**_EXAMPLES, "/detect_fraud": detect, "/score_batch": {"two rows": two}}


def _paths(model_input: ModelInput) -> dict[str, dict[str, Any]]:
    examples = _examples(model_input)
    return {
        "/detect_fraud": _post(
            "/detect_fraud",
            _SCORING,
            "Say whether a transaction with known features is fraud",
            model_input.request,
            schema.DetectAnswer,
            examples,
        ),
        "/score_transaction": _post(
            "/score_transaction",
            _SCORING,
            "Say whether a raw transaction is fraud, and why",
            schema.RawTransaction,
            schema.ScoreAnswer,
            examples,
            errors={
                409: "The transaction is known, with another content; or the model that answers"
                " reads features that are not computed from raw transactions, as readyz says"
            },
        ),
        "/score_batch": _post(
            "/score_batch",
            _SCORING,
            "Score many transactions with known features at once",
            BatchRequest,
            schema.BatchAnswer,
            examples,
            tables=TABLES,
        ),
        "/labels": _post(
            "/labels",
            _LABELS,
            "Report what transactions have turned out to be",
            schema.LabelsRequest,
            schema.LabelsAnswer,
            examples,
        ),
        "/livez": _get("Whether the process lives", None),
        "/readyz": _get("Whether it can answer, and with what", schema.Readiness, also=503),
    }


def _post(
    path: str,
    tag: str,
    summary: str,
    request: type[BaseModel],
    answer: type[BaseModel],
    examples: dict[str, dict[str, Any]],
    *,
    tables: tuple[str, ...] = (),
    errors: dict[int, str] | None = None,
) -> dict[str, Any]:
    answers = {"application/json": _schema(answer)}
    if tables:
        answers[STREAM] = _TABLE
    return {
        "post": {
            "tags": [tag],
            "summary": summary,
            "operationId": summary.split()[0].lower() + request.__name__,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        **_schema(request),
                        "examples": {
                            name: {"summary": name, "value": value}
                            for name, value in examples[path].items()
                        },
                    },
                    **dict.fromkeys(tables, _TABLE),
                },
            },
            "responses": {
                "200": {"description": "The answer", "content": answers},
                **_errors({**_ERRORS, **(errors or {})}),
            },
        }
    }


def _get(
    summary: str, answer: type[BaseModel] | None, *, also: int | None = None
) -> dict[str, Any]:
    content = {"application/json": _schema(answer) if answer else {"schema": {"type": "object"}}}
    responses: dict[str, Any] = {"200": {"description": "Yes", "content": content}}
    if also:
        responses[str(also)] = {"description": "Not yet", "content": content}
    return {
        "get": {
            "tags": [_PROBES],
            "summary": summary,
            "responses": {
                **responses,
                **_errors({status: _ERRORS[status] for status in (400, 403, 405)}),
            },
        }
    }


def _errors(reasons: dict[int, str]) -> dict[str, Any]:
    return {
        str(status): {
            "description": reason,
            "content": {"application/json": _schema(schema.ErrorAnswer)},
        }
        for status, reason in sorted(reasons.items())
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"schema": {"$ref": _REFS.format(model=model.__name__)}}
