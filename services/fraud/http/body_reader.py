"""The body of a request as it arrives: not too slow, not too large, nor too many at once."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from services.fraud.http.problem import CLOSE, HttpProblem, busy, too_large

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyReader:
    """Reads bodies; those that come in parts stay below a limit together as well."""

    def __init__(self, most_buffered: int) -> None:
        """most_buffered: bytes of all bodies that are arriving in parts."""
        self.most_buffered = most_buffered
        self._buffered = 0

    async def read(self, receive: Receive, path: str, max_bytes: int, patience_s: float) -> bytes:
        """A body of at most `max_bytes`, within `patience_s`.

        Raises: HttpProblem: it is larger, slower or not whole, or too many arrive at once.
        """
        try:
            async with asyncio.timeout(patience_s):
                message = await receive()
                body: bytes = message.get("body", b"")
                if not message.get("more_body") and len(body) <= max_bytes:
                    return body
                return await self._rest(message, receive, path, max_bytes)
        except TimeoutError:
            slow = f"the body did not arrive within {patience_s:g} s"
            raise HttpProblem(408, "too_slow", slow, headers=CLOSE) from None

    async def _rest(
        self, message: MutableMapping[str, Any], receive: Receive, path: str, max_bytes: int
    ) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                self._buffered += len(part)
                if size > max_bytes:
                    raise too_large(path, max_bytes)
                if self._buffered > self.most_buffered:
                    raise busy()
                if message["type"] == "http.disconnect":
                    raise HttpProblem(400, "disconnected", "the body did not arrive whole")
                if not message.get("more_body"):
                    return b"".join(parts)
                message = await receive()
        finally:
            self._buffered -= size
