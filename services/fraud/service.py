"""The BentoML service: `bentoml serve services.fraud.service:FraudDetector`.

BentoML gives it workers, sockets and the Bento. Requests are answered by `Web`, which stands in
front of BentoML's own layers.
"""

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml
from circus.sockets import CircusSocket  # type: ignore[import-untyped]
from pydantic import ValidationError

from services.fraud import supervisor
from services.fraud.errors import LogError, StateUnavailable
from services.fraud.http import header_limits
from services.fraud.log.database import Database
from services.fraud.metrics_folder import MetricsFolder
from services.fraud.settings import ServiceSettings
from services.fraud.state.in_postgres.address import StateAddress
from services.reporting.traces import TracesError, tracer_provider

if TYPE_CHECKING:
    from services.fraud.http.body_reader import Receive
    from services.fraud.http.web import App, Scope, Send, Web


def _settings() -> ServiceSettings:
    """The settings; what is wrong with them ends the process with one line."""
    try:
        settings = ServiceSettings()
        Database(settings.log_url, patience_s=1).close()
        if settings.state_url:
            StateAddress(settings.state_url).close()
        if settings.traces_url:
            tracer_provider("triptych-fraud", settings.traces_url).shutdown()
    except ValidationError as error:
        fault = error.errors()[0]
        message = fault["msg"].removeprefix("Value error, ")
        sys.exit(f"error: TRIPTYCH_{str(fault['loc'][0]).upper()}: {message}")
    except LogError as error:
        sys.exit(f"error: TRIPTYCH_DATABASE_URL: {error}")
    except StateUnavailable as error:
        sys.exit(f"error: TRIPTYCH_FRAUD_STATE_URL: {error}")
    except TracesError as error:
        sys.exit(f"error: {error}")
    return settings


SETTINGS = _settings()
_held: MetricsFolder | None = None  # in the server's process: a worker that is replaced lets go
header_limits.install()
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # it would report usage to its makers


@bentoml.service(
    name="fraud_detector",
    workers=SETTINGS.fraud_workers,
    http={"host": "0.0.0.0" if SETTINGS.keys else "127.0.0.1"},
    metrics={"enabled": False},  # it has its own
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class FraudDetector:
    """Says within milliseconds whether a card transaction is fraud."""

    def __init__(self) -> None:
        from services.fraud.worker import Worker  # the server that starts the workers needs none

        logging.getLogger("services.fraud").setLevel(logging.INFO)
        self.worker = Worker(SETTINGS, _packed(), server=supervisor.announced())
        # What is there now stays: otherwise full collections over BentoML's many objects stop
        # the process for 100 ms every few thousand requests.
        gc.collect()
        gc.freeze()

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def prepare() -> None:
        """What the server does before it listens; it holds the metrics while it lives."""
        global _held
        supervisor.explain_binding(CircusSocket)
        try:
            _held = MetricsFolder(SETTINGS.home, supervisor.announce())
        except OSError as error:
            sys.exit(f"error: TRIPTYCH_HOME: {SETTINGS.home} cannot be written: {error.strerror}")

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # BentoML has no types for it
    def close(self) -> None:
        """Write what has been answered."""
        self.worker.close()


def _packed() -> tuple[str, Path] | None:
    """Tag and folder of the model in the Bento that is being served, if one is."""
    bento = FraudDetector.bento  # type: ignore[attr-defined]  # it is a Service
    if bento is None:
        return None
    [model] = bento.info.all_models
    return str(model.tag), Path(model.to_model().resolve().path)


class _InFront:
    """Lets `Web` see requests before BentoML's layers do, which cost more than the answer."""

    def __init__(self, app: "App") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "lifespan":
            server = scope["app"]
            behind = server.middleware_stack

            async def in_front(scope: "Scope", receive: "Receive", send: "Send") -> None:
                if scope["type"] == "http":
                    web: Web = bentoml.get_current_service().worker.web
                    await web(scope, receive, send, behind)
                else:
                    await behind(scope, receive, send)

            server.middleware_stack = in_front
        await self._app(scope, receive, send)


FraudDetector.add_asgi_middleware(_InFront)  # type: ignore[attr-defined]  # it is a Service
