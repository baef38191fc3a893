"""Where Prometheus finds the figures of a process of ours that serves nothing else."""

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector


class ExporterError(Exception):
    """The address cannot be listened on."""


def serve(
    host: str, port: int, *collectors: Collector, setting: str = "TRIPTYCH_METRICS_PORT"
) -> int:
    """Answer scrapes from a thread that ends with the process; the port, should that be given as 0.

    The process itself is told of too: memory, processor time, files that are open. setting: what
    the port is from.

    Raises: ExporterError: the address cannot be listened on.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    for collector in collectors:
        registry.register(collector)
    try:
        server, _ = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise ExporterError(
            f"metrics cannot be shown on {host}:{port} ({error.strerror}): give another port in"
            f" {setting}, or 0 for any that is free"
        ) from error
    return server.server_port
