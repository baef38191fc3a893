"""The OpenAPI document, from the types in `schema`."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.fraud.http.arrow_body import STREAM, TABLES
from services.fraud.scoring import schema

_REFS = "#/components/schemas/{model}"
_SCORING, _LABELS, _PROBES = "Scoring", "Labels", "Probes"
_TAGS = [
    {"name": _SCORING, "description": "Whether transactions are fraud"},
    {"name": _LABELS, "description": "What they have turned out to be, for the audit"},
    {"name": _PROBES, "description": "For whoever watches the service; `/metrics` is Prometheus's"},
]
# Requests that are answered as they stand, and again the same whenever they are sent.
_USUAL = [57.16, 0, 0, 1, 57.16, 5, 48.9, 41, 54.1, 2, 0.0, 6, 0.0, 27, 0.0]
_STRANGE = [248.5, 1, 1, 9, 201.7, 14, 160.2, 48, 77.3, 4, 0.75, 19, 0.42, 65, 0.2]
EXAMPLES: dict[str, dict[str, Any]] = {
    "/detect_fraud": {
        "a usual one": {"transaction_data": _USUAL},
        "at a terminal with many frauds": {"transaction_data": _STRANGE},
    },
    "/score_transaction": {
        "one transaction": {
            "transaction_id": "example-1",
            "customer_id": "example-customer",
            "terminal_id": "example-terminal",
            "amount": 57.16,
            "time": "2025-03-14T09:30:00Z",
        }
    },
    "/score_batch": {"two rows": {"transaction_data": [_USUAL, _STRANGE]}},
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
    schema.DetectRequest,
    schema.DetectAnswer,
    schema.RawTransaction,
    schema.ScoreAnswer,
    schema.BatchRequest,
    schema.BatchAnswer,
    schema.LabelsRequest,
    schema.LabelsAnswer,
    schema.Readiness,
    schema.ErrorAnswer,
)


def document(*, with_keys: bool) -> dict[str, Any]:
    """OpenAPI 3.1. with_keys: whether callers need one."""
    _, components = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template=_REFS
    )
    paths = _paths()
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


def _paths() -> dict[str, dict[str, Any]]:
    return {
        "/detect_fraud": _post(
            "/detect_fraud",
            _SCORING,
            "Say whether a transaction with known features is fraud",
            schema.DetectRequest,
            schema.DetectAnswer,
        ),
        "/score_transaction": _post(
            "/score_transaction",
            _SCORING,
            "Say whether a raw transaction is fraud, and why",
            schema.RawTransaction,
            schema.ScoreAnswer,
            errors={409: "The transaction is known, with another content"},
        ),
        "/score_batch": _post(
            "/score_batch",
            _SCORING,
            "Score many transactions with known features at once",
            schema.BatchRequest,
            schema.BatchAnswer,
            tables=TABLES,
        ),
        "/labels": _post(
            "/labels",
            _LABELS,
            "Report what transactions have turned out to be",
            schema.LabelsRequest,
            schema.LabelsAnswer,
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
                            for name, value in EXAMPLES[path].items()
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
