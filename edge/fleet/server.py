"""The fleet's server: `python -m edge.fleet.server`.

It serves one site, or stands behind a web server that speaks TLS: device keys travel in a header.
A caller who sends, or reads, too slowly is cut off.
Whether a release may be trusted depends on its signatures alone, never on this server.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from edge_detector.contract.names import DEVICE_ID
from pydantic import ValidationError
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.fleet.http.web import build, device_key
from edge.fleet.settings import ServerSettings
from services.reporting.arguments import Parser

HEAD_S = 10.0  # for the head of a request to arrive, and between two requests
HEAD_BYTES = 16 * 2**10
SLOW_S = 60.0  # for a caller to read some 48 kB of an answer, or the rest of it
CONNECTIONS = 500
CLOSING_S = 5


class PatientProtocol(H11Protocol):
    """One connection, closed if a request's head arrives, or an answer is read, too slowly."""

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None  # runs while answers find no room to wait in
    _watch: asyncio.TimerHandle | None = None
    _was_closing = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch = self.loop.call_later(SLOW_S, self._look)
        self._deadline = self.loop.call_later(HEAD_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_longer()
        for timer in (self._unread, self._watch):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(SLOW_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._deadline = self.loop.call_later(HEAD_S, self._give_up)
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_no_longer()

    def _look(self) -> None:
        # A connection that is closed stays until the rest of its answer has been read.
        if self._was_closing:
            self.transport.abort()
            return
        self._was_closing = self.transport.is_closing()
        self._watch = self.loop.call_later(SLOW_S, self._look)

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.close()

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; 0: it ended so, 2: wrong arguments or settings."""
    parser = Parser(
        prog="python -m edge.fleet.server",
        description="Hands out releases, and takes telemetry into the inbox.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on: %(default)s")
    parser.add_argument("--port", type=int, default=8080, help="%(default)s; 0: any free one")
    parser.add_argument("--key-for", metavar="DEVICE", help="print the key of a device, and end")
    given = parser.read(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = ServerSettings()
    except ValidationError as error:
        for fault in error.errors():
            message = fault["msg"].removeprefix("Value error, ")
            _complain(f"TRIPTYCH_{str(fault['loc'][0]).upper()}: {message}")
        return 2
    if given.key_for is not None:
        return _print_key(given.key_for, settings.keys)
    if not 0 <= given.port <= 65_535:
        _complain(f"--port {given.port}: use 0 to 65535")
        return 2
    if not settings.keys:
        _say("TRIPTYCH_FLEET_KEYS is not set: telemetry is taken from this machine alone")
    _serve(given.host, given.port, settings)
    return 0


def _serve(host: str, port: int, settings: ServerSettings) -> None:
    config = uvicorn.Config(
        build(settings.releases, settings.inbox, settings.keys),
        host=host,
        port=port,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_level="error",  # warnings are of callers who speak no HTTP: as many as they like
        access_log=False,
        proxy_headers=False,  # or a caller could say that it is on this machine
        server_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=round(HEAD_S),
        timeout_graceful_shutdown=CLOSING_S,
    )
    server = _Announcing(config)
    server.places = (_describe(settings.releases), str(settings.inbox))
    server.run()


class _Announcing(uvicorn.Server):
    """Says where it listens, once it does."""

    places: tuple[str, str]

    async def startup(self, sockets: object = None) -> None:
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in self.servers:
            host, port = server.sockets[0].getsockname()[:2]
            releases, inbox = self.places
            _say(f"http://{host}:{port}/releases from {releases}; telemetry into {inbox}")


def _describe(releases: Path | None) -> str:
    if releases is None:
        return "no releases"
    return f"{releases}{'' if releases.is_dir() else ', which is not there yet'}"


def _print_key(device: str, keys: Sequence[str]) -> int:
    if not DEVICE_ID.accepts(device):
        _complain(f"{device!r}: a device id has 1 to 64 letters, digits, - and _")
        return 2
    if not keys:
        _complain("TRIPTYCH_FLEET_KEYS is not set: there is nothing to derive a key from")
        return 2
    print(device_key(keys[0], device))
    return 0


def _say(message: str) -> None:
    print(message, flush=True)


def _complain(message: str) -> None:
    print(f"python -m edge.fleet.server: error: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
