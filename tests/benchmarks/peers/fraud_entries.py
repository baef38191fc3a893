"""The fraud service entered in other ways than its own; see `bench_fraud_entries`.

bentoml serve tests.benchmarks.peers.fraud_entries:Behind | :Mounted
python -m tests.benchmarks.peers.fraud_entries uvicorn|h11 PORT
"""

import sys
from typing import Any

import bentoml

from services.fraud.http import header_limits
from services.fraud.http.body_reader import Receive
from services.fraud.http.web import App, Scope, Send
from services.fraud.service import SETTINGS, FraudDetector
from services.fraud.worker import Worker

CONFIG: dict[str, Any] = {
    "workers": 1,
    "http": {"host": "127.0.0.1"},
    "metrics": {"enabled": False},
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
}
INNER = FraudDetector.inner  # type: ignore[attr-defined]  # it is a Service


async def nothing_behind(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("no asset is asked for here")


async def web(scope: Scope, receive: Receive, send: Send) -> None:
    await bentoml.get_current_service().worker.web(scope, receive, send, nothing_behind)


class _Middleware:
    """BentoML's layers come before it, and go unused behind it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (web if scope["type"] == "http" else self._app)(scope, receive, send)


Behind = bentoml.service(name="behind", **CONFIG)(INNER)
Behind.add_asgi_middleware(_Middleware)
Mounted = bentoml.asgi_app(web, path="/")(bentoml.service(name="mounted", **CONFIG)(INNER))


def serve(protocol: str, port: int) -> None:
    """Without BentoML."""
    import uvicorn

    worker = Worker(SETTINGS)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await worker.web(scope, receive, send, nothing_behind)

    http: Any = "h11" if protocol == "h11" else header_limits.LimitedProtocol
    uvicorn.run(
        app,
        port=port,
        http=http,
        h11_max_incomplete_event_size=header_limits.HEAD_BYTES,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
    )
    worker.close()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
