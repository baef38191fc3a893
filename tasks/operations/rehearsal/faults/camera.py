"""A camera in the network that can be made to freeze: Motion JPEG over HTTP on this machine."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RATE = 20.0
HEIGHT, WIDTH = 240, 320


class Camera:
    """Serves a stream of pictures, no two alike; `freeze` makes it repeat one.

    Attributes:
        connections: how often the stream was opened.
    """

    def __init__(self) -> None:
        self.connections = 0
        self._frozen = threading.Event()
        self._over = threading.Event()
        self._numbers = itertools.count()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # the device has closed the stream

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/stream"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Switch it on for a block."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._server.shutdown()
            self._server.server_close()

    def freeze(self) -> None:
        """Repeat one picture, to the last bit."""
        self._frozen.set()

    def thaw(self) -> None:
        """Go on."""
        self._frozen.clear()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self.connections += 1
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        picture = _encode(next(self._numbers))
        while not self._over.wait(1 / RATE):
            if not self._frozen.is_set():
                picture = _encode(next(self._numbers))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            request.wfile.write(head.encode() + picture + b"\r\n")


def _encode(number: int) -> bytes:
    import cv2
    import numpy as np

    small = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    _, data = cv2.imencode(".jpg", picture)
    return bytes(data)
