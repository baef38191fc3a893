"""A camera in the network: Motion JPEG over HTTP on loopback, which can be made to fail."""

import itertools
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from tests.edge.device.captures import picture

RATE = 30.0


def encode(seed: int) -> bytes:
    """A picture that is unlike any other, with few enough details to survive JPEG."""
    small = picture(seed, 6, 8)
    _, data = cv2.imencode(".jpg", cv2.resize(small, (320, 240), interpolation=cv2.INTER_NEAREST))
    return data.tobytes()


class NetworkCamera:
    """Serves /stream on a free port; `mode` says what it sends, and `stop` pulls the plug.

    Modes: "good", "frozen" (one picture), "garbage" (parts that are no pictures),
    "page" (a web page instead of a stream), "silent" (nothing at all, for ever).
    """

    def __init__(self) -> None:
        self.mode = "good"
        self.connections = 0
        self._numbers = itertools.count(1)
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._off = threading.Event()
        self._sockets: set[Any] = set()
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"http://user:secret@127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        """Switch it on, on the same port as before."""
        self._off.clear()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = True

            def handle_error(self, *_: Any) -> None:
                pass  # the other side has gone

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """Pull the plug: connections break off, new ones are refused."""
        if self._server is None or self._thread is None:
            return
        self._off.set()
        self._server.shutdown()
        for connection in list(self._sockets):
            with suppress(OSError):  # the other side has gone already
                connection.shutdown(2)
        self._server.server_close()
        self._thread.join()
        self._server = None

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self.connections += 1
        self._sockets.add(request.connection)
        try:
            if self.mode == "page":
                self._send_head(request, "text/html")
                request.wfile.write(b"<html>The camera is starting, please wait.</html>" * 50)
            else:
                self._send_head(request, "multipart/x-mixed-replace; boundary=edge")
                self._send_parts(request.wfile.write)
        finally:
            self._sockets.discard(request.connection)

    def _send_head(self, request: BaseHTTPRequestHandler, kind: str) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.end_headers()

    def _send_parts(self, write: Callable[[bytes], Any]) -> None:
        """The mode may change in the middle of a connection."""
        frozen, rubbish = encode(0), random.Random(1)
        while not self._off.wait(1 / RATE) and self.mode != "page":
            if self.mode == "silent":
                continue
            data = frozen if self.mode == "frozen" else encode(next(self._numbers))
            if self.mode == "garbage":
                data = rubbish.randbytes(len(data))
            head = f"--edge\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            write(head.encode() + data + b"\r\n")
