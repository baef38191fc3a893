"""A live picture and the metrics of the run, for a browser.

    /              the page          /stream.mjpg   the live picture
    /status.json   the metrics       /picture.jpg   the newest picture
    /metrics       the same for Prometheus

The loop only leaves its newest picture here. Each browser has a thread of its own, which encodes
that picture (once for all of them) and sends it: one that is slow gets fewer pictures, one that
hangs is dropped, and neither is waited for. While nobody looks, nothing is drawn or encoded.
"""

import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from edge_detector.capture.frame import Frame
from edge_detector.contract.pictures import Image
from edge_detector.errors import ConfigError
from edge_detector.loop.sink import Result
from edge_detector.outputs.page import CONTENT_POLICY, PAGE
from edge_detector.outputs.prometheus import MEDIA_TYPE, render

MOST_VIEWERS = 8
PICTURES_PER_S = 15.0
SEND_TIMEOUT_S = 5.0  # a browser that takes nothing for so long is dropped
WAIT_S = 2.0  # for a first picture
QUALITY = 80  # of the JPEG, in percent
BOUNDARY = "frame"

logger = logging.getLogger(__name__)


class Preview:
    """A sink for `--preview`, with a small web server."""

    def __init__(self, host: str, port: int, status: Callable[[], Mapping[str, Any]]) -> None:
        """Start serving.

        Args:
            port: 0 for any free one.
            status: the metrics for the page, as plain JSON values.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        self.name = f"--preview {port}"
        self.status = status
        self._fresh = threading.Condition()
        self._newest: Image | None = None
        self._number = 0  # of the newest picture
        self._encoding = threading.Lock()
        self._encoded: tuple[int, bytes] = (0, b"")
        self._watched_until = 0.0
        self._viewers = 0
        self.closed = False
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._server = _Server(self, host, port, family)
        except OSError as error:
            raise ConfigError(
                f"--preview cannot listen on {host}:{port} ({error.strerror}): give another port,"
                " or 0 for any that is free"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="preview", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the page is, for a browser on this machine."""
        address, port = self._server.server_address[:2]
        host = str(address)
        if ipaddress.ip_address(host).is_unspecified:
            host = "localhost"
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def wants_picture(self, frame: Frame) -> bool:
        return self._viewers > 0 or time.monotonic() < self._watched_until

    def write(self, result: Result) -> None:
        if self.wants_picture(result.frame):
            with self._fresh:
                self._newest = result.frame.image
                self._number += 1
                self._fresh.notify_all()

    def close(self) -> None:
        with self._fresh:
            self.closed = True
            self._fresh.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def number(self) -> int:
        """Of the newest picture, which may be an old one: nobody has looked since."""
        return self._number

    def picture(self, after: int, timeout_s: float = WAIT_S) -> tuple[int, bytes] | None:
        """The newest picture as JPEG with its number, once that is above `after`; or None."""
        self._watched_until = time.monotonic() + timeout_s
        with self._fresh:
            if not self._fresh.wait_for(lambda: self._number > after or self.closed, timeout_s):
                return None
            number, image = self._number, self._newest
        if image is None or self.closed:
            return None
        with self._encoding:
            if self._encoded[0] < number:
                _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                self._encoded = (number, data.tobytes())
            return self._encoded

    def enter(self) -> bool:
        """Count a viewer; False if there are too many."""
        with self._fresh:
            if self._viewers >= MOST_VIEWERS:
                return False
            self._viewers += 1
            return True

    def leave(self) -> None:
        with self._fresh:
            self._viewers -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a browser that hangs would hold the end up

    def __init__(self, preview: Preview, host: str, port: int, family: int) -> None:
        self.address_family = family
        self.preview, self.host = preview, host
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # Without the name look-up of the class above, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a browser went away", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SEND_TIMEOUT_S
    server_version, sys_version = "edge-detector", ""

    def do_GET(self) -> None:  # the name that the class above calls
        if not _is_own_name(self.headers.get("Host", ""), self.server.host):
            # Another site's page, whose name now leads here, must not read the picture.
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"Use the device's own name.\n")
            return
        path = self.path.split("?", 1)[0]
        if path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.encode())
        elif path == "/status.json":
            body = json.dumps(self.server.preview.status(), ensure_ascii=False).encode()
            self._send(HTTPStatus.OK, "application/json", body)
        elif path == "/metrics":
            self._send(HTTPStatus.OK, MEDIA_TYPE, render(self.server.preview.status()))
        elif path == "/picture.jpg":
            picture = self.server.preview.picture(after=self.server.preview.number)
            if picture is None:
                self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"No picture now.\n")
            else:
                self._send(HTTPStatus.OK, "image/jpeg", picture[1])
        elif path == "/stream.mjpg":
            self._stream()
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"Not here. The page is at /.\n")

    def _stream(self) -> None:
        preview = self.server.preview
        if not preview.enter():
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"Too many viewers.\n")
            return
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            number = preview.number
            while not preview.closed:
                started = time.monotonic()
                picture = preview.picture(after=number)
                if picture is None:
                    continue
                number, data = picture
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
                self.wfile.write(f"{head}\r\n\r\n".encode() + data + b"\r\n")
                time.sleep(max(0.0, started + 1 / PICTURES_PER_S - time.monotonic()))
        finally:
            preview.leave()

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", CONTENT_POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _is_own_name(header: str, host: str) -> bool:
    """Whether a Host header names this machine as its owner would: by number or by its name."""
    name = header.rsplit(":", 1)[0] if not header.endswith("]") else header
    name = name.strip("[]").lower()
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        own = socket.gethostname().lower()
        return name in ("localhost", host.lower(), own, f"{own}.local", own.split(".")[0])
