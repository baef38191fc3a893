"""The service's HTTP: who may ask, what is taken, how much at once, and the shape of errors."""

import asyncio
import hmac
import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tasks.sentiment.scoring.labels import decide, split
from tasks.sentiment.scoring.scorer import DECIMALS, Scorer
from tasks.sentiment.service.request import MAX_BYTES, Headers, Problem, ScoreAnswer, text_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCORE = "/score"
PROBES = frozenset({"/livez", "/readyz", "/healthz"})
BODY_S = 5.0  # for a body to arrive
CLOSE: Headers = ((b"connection", b"close"),)  # what else the caller sends is not read
DIGITS = 12  # of the model's digest
logger = logging.getLogger(__name__)


class Web:
    """The HTTP door of one worker. Texts are scored in threads of their own, one per pass."""

    def __init__(
        self,
        scorer: Scorer,
        *,
        keys: tuple[str, ...] = (),
        max_in_flight: int = 64,
        threads: int = 1,
    ) -> None:
        self._scorer, self._keys = scorer, keys
        self._most, self._in_flight = max_in_flight, 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="answer")

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, behind: App) -> None:
        """Answer a request; probes are left to the application behind."""
        if scope["path"] in PROBES:
            await behind(scope, receive, send)
            return
        request_id = f"{time.time_ns():016x}{os.urandom(8).hex()}"
        status, headers = 200, Headers()
        try:
            answer = await self._answer(scope, receive, request_id)
        except Problem as problem:
            status, headers, answer = problem.status, problem.headers, problem.body(request_id)
        except Exception as error:  # its text may hold what the caller sent
            logger.error("%s: %s", request_id, type(error).__name__)
            status = 500
            answer = Problem(500, "internal", "a fault of the service").body(request_id)
        start = (
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
            (b"x-request-id", request_id.encode()),
            *headers,
        )
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> bytes:
        asked = dict(scope["headers"])
        self._check_key(asked)
        _check_head(scope, asked)
        body = await _read_body(receive)
        if self._in_flight >= self._most:
            busy = "too many requests in flight; try again in a second"
            raise Problem(503, "busy", busy, headers=((b"retry-after", b"1"),))
        self._in_flight += 1
        try:
            text = text_of(body)
            run = asyncio.get_running_loop().run_in_executor
            probability = await run(self._threads, self._scorer.score, [text])
        finally:
            self._in_flight -= 1
        return self._said(probability, request_id)

    def _said(self, probability: "np.ndarray[Any, Any]", request_id: str) -> bytes:
        model = self._scorer.model
        answer = ScoreAnswer(
            label=str(decide(probability)[0]),
            probabilities={
                label: round(float(share[0]), DECIMALS)
                for label, share in split(probability).items()
            },
            model=model.name,
            digest=model.digest[:DIGITS],
            request_id=request_id,
        )
        return answer.model_dump_json().encode()

    def _check_key(self, asked: dict[bytes, bytes]) -> None:
        if not self._keys:
            return
        given = asked.get(b"x-api-key") or asked.get(b"authorization", b"").removeprefix(b"Bearer ")
        if not any(hmac.compare_digest(given, key.encode()) for key in self._keys):
            raise Problem(401, "no_valid_key", "send a valid key in X-API-Key", headers=CLOSE)


def _check_head(scope: Scope, asked: dict[bytes, bytes]) -> None:
    """Raises: Problem: no such path, another method, another type, or too large a body."""
    if scope["path"] != SCORE:
        raise Problem(404, "not_found", "no such path; ask POST /score", headers=CLOSE)
    if scope["method"] != "POST":
        allow: Headers = ((b"allow", b"POST"), *CLOSE)
        raise Problem(405, "method_not_allowed", "use POST", headers=allow)
    given = asked.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if given != b"application/json" or b"content-encoding" in asked:
        plain = "send application/json in Content-Type, without Content-Encoding"
        raise Problem(415, "unsupported_media_type", plain, headers=CLOSE)
    length = asked.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BYTES:
        raise _too_large()


async def _read_body(receive: Receive) -> bytes:
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "disconnected", "the body did not arrive whole")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MAX_BYTES:
                    raise _too_large()
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        slow = f"the body did not arrive within {BODY_S:g} s"
        raise Problem(408, "too_slow", slow, headers=CLOSE) from None


def _too_large() -> Problem:
    return Problem(413, "too_large", f"{SCORE} takes at most {MAX_BYTES:,} bytes", headers=CLOSE)
