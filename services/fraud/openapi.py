"""The OpenAPI document, from the types in `schema`."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.fraud import schema
from services.fraud.batch import FILE, PARQUET, STREAM

# The assets are those that BentoML's server has; its own page would load a tracker.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Fraud detector</title>
<link rel="stylesheet" href="static_content/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="static_content/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "docs.json", dom_id: "#page"})</script>
</body>
</html>
"""
_REFS = "#/components/schemas/{model}"
_TABLE = {"schema": {"type": "string", "format": "binary"}}
_ERRORS = {
    400: "The body is no JSON, or did not arrive whole",
    401: "No valid key",
    403: "No keys are set, and the caller is on another machine",
    405: "Another method",
    408: "The body took too long to arrive",
    413: "The body is too large",
    415: "Another Content-Type",
    422: "A field is wrong",
    500: "A fault of the service",
    503: "Too many requests in flight, or nothing to answer with yet; see Retry-After",
}


def document(*, with_keys: bool) -> dict[str, Any]:
    """OpenAPI 3.1. with_keys: whether callers need one."""
    models: list[type[BaseModel]] = [
        *(schema.DetectRequest, schema.DetectAnswer, schema.RawTransaction, schema.ScoreAnswer),
        *(schema.BatchRequest, schema.BatchAnswer, schema.LabelsRequest, schema.LabelsAnswer),
        *(schema.Readiness, schema.ErrorAnswer),
    ]
    _, components = models_json_schema(
        [(model, "validation") for model in models], ref_template=_REFS
    )
    conflict = {409: "The transaction is known, with another content"}
    paths = {
        "/detect_fraud": _post(
            "Say whether a transaction with known features is fraud",
            schema.DetectRequest,
            schema.DetectAnswer,
        ),
        "/score_transaction": _post(
            "Say whether a raw transaction is fraud, and why",
            schema.RawTransaction,
            schema.ScoreAnswer,
            errors=conflict,
        ),
        "/score_batch": _post(
            "Score many transactions with known features at once",
            schema.BatchRequest,
            schema.BatchAnswer,
            tables=(STREAM, FILE, PARQUET),
        ),
        "/labels": _post(
            "Report what transactions have turned out to be",
            schema.LabelsRequest,
            schema.LabelsAnswer,
        ),
        "/livez": _get("Whether the process lives", None),
        "/readyz": _get("Whether it can answer, and with what", schema.Readiness, also=503),
    }
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
            "title": "FraudDetector",
            "version": "1.0.0",
            "description": "Says within milliseconds whether a card transaction is fraud.",
        },
        "paths": paths,
        "components": {"schemas": components.pop("$defs"), **components},
    }


def _post(
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
            "summary": summary,
            "operationId": summary.split()[0].lower() + request.__name__,
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": _schema(request),
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
            "summary": summary,
            "responses": {**responses, **_errors({405: _ERRORS[405], 403: _ERRORS[403]})},
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
