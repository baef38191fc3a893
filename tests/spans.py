"""A receiver of OTLP over HTTP that keeps the spans that arrive."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PACKAGE = "opentelemetry.exporter.otlp.proto.http.trace_exporter"  # skipped where it is not there


@dataclass(frozen=True)
class ArrivedSpan:
    """A span, its ids as hexadecimal digits; parent: empty for one that has none."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]


@dataclass
class SpanReceiver:
    """What has arrived."""

    url: str
    spans: list[ArrivedSpan] = field(default_factory=list)

    def named(self, name: str) -> ArrivedSpan:
        """The only one of this name."""
        [found] = [span for span in self.spans if span.name == name]
        return found


@contextmanager
def receiving_spans() -> Iterator[SpanReceiver]:
    """Until the end of the block."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            receiver.spans += _read(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = SpanReceiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _read(request: Any) -> list[ArrivedSpan]:
    return [
        ArrivedSpan(
            service=_attributes(sent.resource)["service.name"],
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            attributes=_attributes(span),
        )
        for sent in request.resource_spans
        for scope in sent.scope_spans
        for span in scope.spans
    ]


def _attributes(thing: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in thing.attributes
    }
