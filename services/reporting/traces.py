"""OpenTelemetry traces of a process, sent by OTLP over HTTP to an address that was set.

Of OpenTelemetry's SDK nothing is imported before somebody asks for a provider. Secrets for the
receiver come by OTEL_EXPORTER_OTLP_HEADERS, which the exporter reads itself.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

TIMEOUT_S = 5  # for a receiver that is away; the end of a process waits so long
SETTING = "TRIPTYCH_TRACES_URL"


class TracesError(Exception):
    """Traces are asked for and cannot be made: the message says why, and what would help."""


def begin_traces(service: str, url: str | None) -> None:
    """From now on what makes spans in this process has them sent, if there is an address.

    Raises: TracesError: as `tracer_provider`.
    """
    if url:
        from opentelemetry import trace

        trace.set_tracer_provider(tracer_provider(service, url))


def tracer_provider(service: str, url: str) -> "TracerProvider":
    """What makes spans of a service and sends them to `url`/v1/traces, beside the work.

    What is left when the process ends is sent then.

    Raises: TracesError: it is no address, or the packages are missing.
    """
    if not url.startswith(("http://", "https://")):
        raise TracesError(f"{SETTING} is no address: give one such as http://127.0.0.1:4318")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracesError(
            f"{SETTING} is set, and {error.name} is not installed, which sends traces:"
            " pip install 'triptych[traces]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
