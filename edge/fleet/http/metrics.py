"""What Prometheus is told of the fleet's server: sums alone, for anybody may ask."""

import shutil
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.storage.files import nearest_folder

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
ROUTES = ("/releases/metadata", "/releases/targets", "/telemetry", "/health", "/metrics")


class FleetMetrics:
    """Counts of one server."""

    def __init__(self, disk: Path) -> None:
        """disk: a folder on the disk that telemetry goes to; it need not be there yet."""
        self._disk, self._registry = disk, CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "triptych_fleet_requests_total",
            "Requests that were answered",
            ["route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "triptych_fleet_request_seconds",
            "From the head of a request to the end of its answer",
            ["route"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self.records = Counter(
            "triptych_fleet_records_total",
            "Lines of telemetry that were stored",
            registry=self._registry,
        )
        self._free = Gauge(
            "triptych_fleet_disk_free_bytes",
            "Free on the disk that telemetry goes to",
            registry=self._registry,
        )

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        route = next((each for each in ROUTES if path.startswith(each)), "other")
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def render(self) -> bytes:
        """What Prometheus reads."""
        self._free.set(shutil.disk_usage(nearest_folder(self._disk)).free)
        return generate_latest(self._registry)


class Measured:
    """An application whose answers are counted."""

    def __init__(self, app: ASGIApp, metrics: FleetMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            self._metrics.answered(scope["path"], status, time.perf_counter() - began)
