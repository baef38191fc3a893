"""Limits on what a request has beside its body, which the server would read of any size.

uvicorn's fast parser knows none. This one gives each connection `HEAD_S` for the first head,
and again for each later one from its first byte on; and `HEAD_BYTES` for a head, for the trailers,
and for what stands between two parts of a chunked body, in however many packets they come. It
answers in one packet, where uvicorn's takes two.
"""

import asyncio
from typing import cast

import httptools
import uvicorn.protocols.http.auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.fraud.http.joined_writes import JoinedWrites
from services.fraud.http.problem import HttpProblem

HEAD_S = 10.0
HEAD_BYTES = 64 * 2**10
_PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}
_PROBLEMS = {
    400: HttpProblem(400, "invalid_http", "no valid HTTP request"),
    408: HttpProblem(408, "too_slow", f"the head did not arrive within {HEAD_S:g} s"),
    431: HttpProblem(
        431, "too_large", f"a head, and what follows a body, may have {HEAD_BYTES:,} bytes"
    ),
}


class _TooLarge(Exception):
    """Stops the parser in the middle of what it was given."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    _arrived = 0  # bytes of a head that is not complete, or since the last of a body
    _deadline: asyncio.TimerHandle | None = None
    _in_head = _in_body = False  # a body lasts from the end of a head to that of its message
    _begun = 0  # messages that have begun in the data of the moment
    _was_between = _got_body = False  # before it, no message was going on; it held some of a body
    _is_counted = True  # the head began with its data, so that _arrived misses none of it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, JoinedWrites(transport, self.loop)))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take no more of a head than it may have."""
        while data:
            room = len(data) if self._in_body else HEAD_BYTES - self._arrived
            if room >= len(data):
                self._take(data)
                return
            if room <= 0:
                self._refuse(431)
                return
            self._take(data[:room])
            data = data[room:]
            if self.transport.is_closing():
                return

    def _take(self, data: bytes) -> None:
        self._was_between = not (self._in_head or self._in_body)
        self._begun, self._got_body = 0, False
        super().data_received(data)
        if self._in_head:
            if self._is_counted or not self._begun:
                self._arrived += len(data)
            if self._deadline is None and not self.transport.is_closing():
                self._await_head()
        elif self._in_body:
            self._arrived = 0 if self._got_body else self._arrived + len(data)
            if self._arrived > HEAD_BYTES:
                self._refuse(431)

    def on_message_begin(self) -> None:
        self._in_head, self._arrived = True, 0
        self._begun += 1
        self._is_counted = self._begun == 1 and self._was_between
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._arrived = False, True, 0
        self._stop_waiting()
        if not self._is_counted and _size(self.url, self.headers) > HEAD_BYTES:
            self._refuse(431)
            raise _TooLarge
        if self.url[:1] != b"/":
            self._take_host_of_target()
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self.headers = []  # trailers, which are no headers, go here

    def on_body(self, body: bytes) -> None:
        self._got_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body, self._arrived = False, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Uvicorn's answer to what is no HTTP, in the shape of all errors."""
        self._refuse(400)

    def _take_host_of_target(self) -> None:
        """Let the host of a target such as http://host/path be the header's, as HTTP says."""
        target = httptools.parse_url(self.url)
        if not target.host:
            return
        host = b"[%s]" % target.host if b":" in target.host else target.host
        port = b"" if target.port is None else b":%d" % target.port
        self.headers[:] = [(name, value) for name, value in self.headers if name != b"host"]
        self.headers.append((b"host", host + port))

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_S, self._refuse, 408)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        """Say why, in the shape of all errors, and hang up."""
        if self.transport.is_closing():
            return
        body = _PROBLEMS[status].body(request_id="")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status, _PHRASES[status], len(body), body)
        )
        self.transport.close()


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Bytes of a head without the blanks that mean nothing."""
    return len(url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)


def install() -> None:
    """Let uvicorn use it in this process; it has no setting for that which BentoML passes on."""
    uvicorn.protocols.http.auto.AutoHTTPProtocol = LimitedProtocol
