"""Limits on the head of a request, which the server would read for ever and of any size.

uvicorn's fast parser knows neither. This one gives each connection `HEAD_S` for the first head,
and again for each later one from its first byte on, and `HEAD_BYTES` of it.
"""

import asyncio

import uvicorn.protocols.http.auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.fraud.refusal import Refusal

HEAD_S = 10.0
HEAD_BYTES = 64 * 2**10
_PHRASES = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
_REFUSALS = {
    408: Refusal(408, "too_slow", f"the head did not arrive within {HEAD_S:g} s"),
    431: Refusal(431, "too_large", f"a head may have {HEAD_BYTES:,} bytes"),
}


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    _arrived = 0  # bytes of a head that is not complete
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_complete()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._arrived += len(data)
            if self._arrived > HEAD_BYTES:
                self._refuse(431)
            elif self._deadline is None:
                self._await_head()

    def on_message_begin(self) -> None:
        self._in_head, self._arrived = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_is_complete()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self._refuse, 408)

    def _head_is_complete(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        """Say why, in the shape of all errors, and hang up."""
        if self.transport.is_closing():
            return
        body = _REFUSALS[status].body(request_id="")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, _PHRASES[status], len(body), body)
        )
        self.transport.close()


def install() -> None:
    """Let uvicorn use it in this process; it has no setting for that which BentoML passes on."""
    uvicorn.protocols.http.auto.AutoHTTPProtocol = GuardedProtocol
