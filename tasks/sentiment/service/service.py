"""The BentoML service: `bentoml serve tasks.sentiment.service.service:SentimentScorer`.

One text in, its sentiment out, by the same cleaning, tokens and model as the nightly run. Requests
are answered by `Web`; BentoML gives it the worker, the socket and the probes.
"""

import gc
import os
import sys
from typing import TYPE_CHECKING

import bentoml
from pydantic import ValidationError

from tasks.sentiment.errors import SentimentError
from tasks.sentiment.service.settings import SentimentSettings

if TYPE_CHECKING:
    from tasks.sentiment.service.web import App, Receive, Scope, Send, Web


def _settings() -> SentimentSettings:
    """The settings; what is wrong with them ends the process with one line."""
    try:
        return SentimentSettings()
    except ValidationError as error:
        fault = error.errors()[0]
        sys.exit(f"error: TRIPTYCH_{str(fault['loc'][0]).upper()}: {fault['msg']}")


SETTINGS = _settings()
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # it would report usage to its makers


@bentoml.service(
    name="sentiment_scorer",
    workers=1,
    http={"host": "0.0.0.0" if SETTINGS.keys else "127.0.0.1"},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class SentimentScorer:
    """Says what a customer thinks, one review at a time."""

    def __init__(self) -> None:
        # The server that starts the worker needs none of these.
        from tasks.sentiment.scoring.machine import usable_cores
        from tasks.sentiment.scoring.model import find_model
        from tasks.sentiment.scoring.precision import open_scorer
        from tasks.sentiment.service.web import Web

        threads = usable_cores()
        try:
            model = find_model(SETTINGS.sentiment_model, cache=SETTINGS.home / "cache")
            scorer = open_scorer(model, SETTINGS.sentiment_precision, threads=threads)
        except SentimentError as error:
            sys.exit(f"error: {error}")
        self.web = Web(
            scorer,
            keys=SETTINGS.keys,
            max_in_flight=SETTINGS.sentiment_max_in_flight,
            threads=threads,
        )
        # Full collections over BentoML's many objects would stop the process every so often.
        gc.collect()
        gc.freeze()

    def __is_ready__(self) -> bool:
        return True  # it is there once its model has answered the known texts

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]  # BentoML has no types for it
    def close(self) -> None:
        """End the threads."""
        self.web.close()


class _InFront:
    """Lets `Web` answer what is not a probe."""

    def __init__(self, app: "App") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http":
            web: Web = bentoml.get_current_service().web
            await web(scope, receive, send, self._app)
        else:
            await self._app(scope, receive, send)


SentimentScorer.add_asgi_middleware(_InFront)  # type: ignore[attr-defined]  # it is a Service
