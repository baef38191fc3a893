"""The service's HTTP: who may ask, what is taken, how much at once, and the shape of errors.

Plain ASGI, because every layer between a socket and a model that answers in microseconds shows
in the latency. What is asked is decided by `Detector`; what goes in and out is in `schema`.
"""

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import orjson

from services.fraud.errors import FraudError, StateBusy
from services.fraud.http import batch
from services.fraud.http.arrow_body import TABLES, Unreadable
from services.fraud.http.body_reader import BodyReader, Receive
from services.fraud.http.callers import Callers
from services.fraud.http.header_values import joined
from services.fraud.http.openapi import Documents
from services.fraud.http.page import PAGE
from services.fraud.http.problem import BUSY, Headers, HttpProblem, busy, problem_of
from services.fraud.http.request_body import (
    check_head,
    parsed,
    parsed_features,
    parsed_labels,
    without_mark,
)
from services.fraud.metrics import Metrics
from services.fraud.scoring.detector import Detector, NotReady
from services.fraud.scoring.model_input import HANDBOOK_INPUT
from services.fraud.scoring.schema import RawTransaction, Readiness

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SMALL_BODY = 64 * 2**10
LABELS_BYTES = 8 * 2**20
ASK_AGAIN_S = 0.002  # for a state that others are writing
LONG_AT_ONCE = 2  # in a worker: each holds its body and its rows in memory
OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/docs.json", "/"})
ASSETS = "/static_content/"  # of the page, which the server behind has
JSON = "application/json"
JSON_MEDIA = JSON.encode()
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much a worker takes."""

    max_in_flight: int = 64
    body_timeout_s: float = 5.0
    batch_max_bytes: int = 64 * 2**20


@dataclass(frozen=True)
class Endpoint:
    """One path: its method, the media types and the size of body that it takes."""

    path: str
    method: str
    answer: Callable[..., Any]
    types: tuple[str, ...] = ()
    max_bytes: int = 0
    is_long: bool = False  # answered by a thread, a few at once


@dataclass
class _InFlight:
    """Requests whose bodies are there, and which are being answered."""

    most: int
    count: int = 0


class Web:
    """The HTTP door of one worker."""

    def __init__(
        self,
        detector: Detector,
        metrics: Metrics,
        *,
        keys: tuple[str, ...] = (),
        limits: Limits = Limits(),
    ) -> None:
        self._detector, self._metrics, self._limits = detector, metrics, limits
        self._callers = Callers(keys)
        self._in_flight = {False: _InFlight(limits.max_in_flight), True: _InFlight(LONG_AT_ONCE)}
        self._bodies = BodyReader((LONG_AT_ONCE + 1) * limits.batch_max_bytes)
        self._documents = Documents(with_keys=bool(keys))
        big = limits.batch_max_bytes
        endpoints = (
            Endpoint("/detect_fraud", "POST", self._detect, (JSON,), SMALL_BODY),
            Endpoint("/score_transaction", "POST", self._score, (JSON,), SMALL_BODY),
            Endpoint("/score_batch", "POST", self._batch, (JSON, *TABLES), big, True),
            Endpoint("/labels", "POST", self._labels, (JSON,), LABELS_BYTES, True),
            Endpoint("/livez", "GET", lambda: (200, b"{}", JSON_MEDIA)),
            Endpoint("/readyz", "GET", self._readyz),
            Endpoint("/metrics", "GET", self._metrics_text, is_long=True),
            Endpoint("/docs.json", "GET", self._docs),
            Endpoint("/", "GET", lambda: (200, PAGE.encode(), b"text/html; charset=utf-8")),
        )
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints}

    async def __call__(self, scope: Scope, receive: Receive, send: Send, behind: App) -> None:
        """Answer a request, or leave it to the application behind, which has the page's assets."""
        endpoint = self._endpoints.get(scope["path"])
        if endpoint is None and scope["path"].startswith(ASSETS):
            endpoint = _ASSETS
        # In order of time, so that the log's index grows at its end and not all over the place.
        request_id = f"{time.time_ns():016x}{os.urandom(8).hex()}"
        headers: Headers = ()
        try:
            asked = dict(scope["headers"])  # in lower case, says ASGI
            is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith(ASSETS)
            self._callers.check(scope, asked, is_open=is_open)
            if endpoint is None:
                raise HttpProblem(404, "not_found", "no such path; /docs.json lists all")
            if endpoint is _ASSETS:
                _check_method(endpoint, scope["method"])
                await behind(scope, receive, send)
                return
            status, answer, media = await self._process(endpoint, scope, asked, receive, request_id)
        except HttpProblem as problem:
            status, headers, media = problem.status, problem.headers, JSON_MEDIA
            answer = problem.body(request_id)
            if problem.code == BUSY:
                self._metrics.shed.inc()
        except Exception as error:  # its text may hold what the caller sent: the place alone
            logger.error("%s: %s at %s", request_id, type(error).__name__, _place(error))
            status, media = 500, JSON_MEDIA
            answer = _FAULT.body(request_id)
        path = endpoint.path if endpoint else "other"
        self._metrics.answered(path, status)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": (
                    (b"content-type", media),
                    (b"content-length", b"%d" % len(answer)),
                    (b"x-request-id", request_id.encode()),
                    *headers,
                ),
            }
        )
        await send({"type": "http.response.body", "body": answer})

    async def _process(
        self,
        endpoint: Endpoint,
        scope: Scope,
        asked: dict[bytes, bytes],
        receive: Receive,
        request_id: str,
    ) -> tuple[int, bytes, bytes]:
        """Status, body and media type of an answer.

        A turn begins when the body is there, so that slow callers keep nobody out.
        """
        _check_method(endpoint, scope["method"])
        if not endpoint.max_bytes:
            found: tuple[int, bytes, bytes] = (
                await asyncio.to_thread(endpoint.answer) if endpoint.is_long else endpoint.answer()
            )
            return found
        given_type = check_head(
            endpoint.path, endpoint.types, endpoint.max_bytes, scope["headers"], asked
        )
        patience_s = self._limits.body_timeout_s * (6 if endpoint.is_long else 1)
        body = await self._bodies.read(receive, endpoint.path, endpoint.max_bytes, patience_s)
        if given_type == JSON:
            body = without_mark(body)
        in_flight = self._in_flight[endpoint.is_long]
        if in_flight.count >= in_flight.most:
            raise busy()
        in_flight.count += 1
        began = time.perf_counter()
        try:
            # Let all that has arrived by now start first: only so are they counted.
            await asyncio.sleep(0)
            if endpoint.is_long:
                accept = joined(scope["headers"], b"accept")
                answer, media = await asyncio.to_thread(
                    _called, endpoint.answer, body, given_type, accept, request_id, began
                )
            else:
                answer = await _called_again(endpoint.answer, body, request_id, began)
                media = JSON_MEDIA
        finally:
            in_flight.count -= 1
        self._metrics.took(endpoint.path, time.perf_counter() - began)
        return 200, answer, media

    async def _detect(self, body: bytes, request_id: str, began: float) -> bytes:
        scorer = self._detector.scorer()
        given = parsed_features(scorer.input, body)
        return self._detector.detect(
            scorer, given.transaction_data, request_id, began, reasons=given.reasons
        )

    async def _score(self, body: bytes, request_id: str, began: float) -> bytes:
        return await self._detector.score(parsed(RawTransaction, body), request_id, began)

    def _batch(
        self, body: bytes, given_type: str, accept: str, request_id: str, began: float
    ) -> tuple[bytes, bytes]:
        scorer = self._detector.scorer()
        try:
            rows = batch.read(body, given_type, scorer.input)
        except Unreadable as error:
            raise HttpProblem(422, "invalid_request", "see fields", [error.field()]) from None
        found = self._detector.score_rows(
            scorer, rows.features, rows.refused, body, request_id, began
        )
        return batch.write(rows, found, given_type, accept, request_id)

    def _labels(
        self, body: bytes, given_type: str, accept: str, request_id: str, began: float
    ) -> tuple[bytes, bytes]:
        labels = parsed_labels(body)
        known = self._detector.label(labels)
        answer = {"accepted": len(labels), "known": known, "request_id": request_id}
        return orjson.dumps(answer), JSON_MEDIA

    def _readyz(self) -> tuple[int, bytes, bytes]:
        found = Readiness(**self._detector.readiness())
        return (200 if found.ready else 503), found.model_dump_json().encode(), JSON_MEDIA

    def _docs(self) -> tuple[int, bytes, bytes]:
        try:
            model_input = self._detector.scorer().input
        except NotReady:
            model_input = HANDBOOK_INPUT
        return 200, self._documents.of(model_input), JSON_MEDIA

    def _metrics_text(self) -> tuple[int, bytes, bytes]:
        return 200, self._metrics.render(), b"text/plain; version=0.0.4; charset=utf-8"


_ASSETS = Endpoint(ASSETS, "GET", lambda: None)  # answered by the application behind
_FAULT = HttpProblem(500, "internal", "a fault of the service, which has been logged")


def _called(answer: Callable[..., Any], *arguments: Any) -> Any:
    """What an endpoint answers; errors of the panel become problems."""
    try:
        return answer(*arguments)
    except (NotReady, FraudError) as error:
        raise problem_of(error) from None


async def _called_again(answer: Callable[..., Awaitable[bytes]], *arguments: Any) -> bytes:
    """What an endpoint answers. While others write the state, requests beside it go on."""
    while True:
        try:
            return await answer(*arguments)
        except StateBusy:
            await asyncio.sleep(ASK_AGAIN_S)
        except (NotReady, FraudError) as error:
            raise problem_of(error) from None


def _check_method(endpoint: Endpoint, method: str) -> None:
    if method != endpoint.method and not (method == "HEAD" and endpoint.method == "GET"):
        raise HttpProblem(
            405,
            "method_not_allowed",
            f"use {endpoint.method}",
            headers=((b"allow", endpoint.method.encode()),),
        )


def _place(error: BaseException) -> str:
    """Module and line where it was raised."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{frame.f_code.co_filename}:{line}"
