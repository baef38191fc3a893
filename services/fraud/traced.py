"""Answers with spans: of the request, its body, the features, the model and the log.

Used in the place of `Web` and `Detector` where an address for traces is set. A caller's
`traceparent` (W3C Trace Context) is honoured: its trace goes on here.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any

from numpy.typing import NDArray
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.fraud.http.body_reader import BodyReader, Receive
from services.fraud.http.web import App, Scope, Send, Web
from services.fraud.scoring.detector import Detector, Rows
from services.fraud.scoring.scorer import FraudScorer
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import Windows

UNTRACED = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds
_CONTEXT = TraceContextTextMapPropagator()
_FIELDS = (b"traceparent", b"tracestate")
_FAULT = 500


class TracedWeb(Web):
    """The HTTP door of one worker; each request is a span."""

    def __init__(self, tracer: Tracer, *parts: Any, **options: Any) -> None:
        """parts, options: those of `Web`."""
        super().__init__(*parts, **options)
        self._tracer = tracer
        self._bodies = TracedBodies(tracer, self._bodies.most_buffered)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, behind: App) -> None:
        path = scope["path"]
        if path in UNTRACED:
            await super().__call__(scope, receive, send, behind)
            return
        asked = dict(scope["headers"])
        given = {name.decode(): asked[name].decode("latin-1") for name in _FIELDS if name in asked}
        known = path if path in self._endpoints else "other"
        with self._tracer.start_as_current_span(
            f"{scope['method']} {known}",
            context=_CONTEXT.extract(given),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"], "http.route": known},
        ) as span:

            async def note(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    request_id = dict(message.get("headers", ())).get(b"x-request-id", b"")
                    span.set_attribute("triptych.request_id", request_id.decode("latin-1"))
                    if message["status"] >= _FAULT:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await super().__call__(scope, receive, note, behind)


class TracedBodies(BodyReader):
    """Bodies whose arrival is a span."""

    def __init__(self, tracer: Tracer, most_buffered: int) -> None:
        super().__init__(most_buffered)
        self._tracer = tracer

    async def read(self, receive: Receive, path: str, max_bytes: int, patience_s: float) -> bytes:
        with self._tracer.start_as_current_span("receive") as span:
            body = await super().read(receive, path, max_bytes, patience_s)
            span.set_attribute("http.request.body.size", len(body))
            return body


class TracedDetector(Detector):
    """The detector; its steps are spans."""

    def __init__(self, tracer: Tracer, *parts: Any, **options: Any) -> None:
        """parts, options: those of `Detector`."""
        super().__init__(*parts, **options)
        self._tracer = tracer

    def _features(self, scorer: FraudScorer, given: Transaction, windows: Windows) -> list[Any]:
        with self._tracer.start_as_current_span("features"):
            return super()._features(scorer, given, windows)

    def _decide(self, scorer: FraudScorer, features: Sequence[float]) -> tuple[float, bool]:
        with self._tracer.start_as_current_span("model", attributes={"model": scorer.tag}):
            return super()._decide(scorer, features)

    def score_rows(self, scorer: FraudScorer, rows: NDArray[Any], *given: Any) -> Rows:
        about: dict[str, str | int] = {"model": scorer.tag, "rows": len(rows)}
        with self._tracer.start_as_current_span("model", attributes=about):
            return super().score_rows(scorer, rows, *given)

    def _record(self, *answered: Any, **more: Any) -> None:
        with self._tracer.start_as_current_span("log"):
            super()._record(*answered, **more)
