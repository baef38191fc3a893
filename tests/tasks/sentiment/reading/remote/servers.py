"""A web server with every habit that one may have."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Web:
    """Files by path, and how they are served.

    Attributes:
        requests: each as (method, path with query, headers).
        break_after: bytes of a body after which the connection breaks, for the next `breaks` times
            that more than a look at the file is asked for.
        answers: paths that are answered by a status and headers alone.
        during: called before each body is sent.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    has_ranges: bool = True
    says_version: bool = True
    is_chunked: bool = False
    break_after: int = 0
    breaks: int = 0
    answers: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    during: Callable[[], object] = lambda: None
    address: str = ""


def version_of(content: bytes) -> str:
    """An entity tag."""
    return f'"{hash(content) & 0xFFFFFFFF:x}"'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        web, path = self.web, unquote(urlsplit(self.path).path)
        web.requests.append((self.command, self.path, dict(self.headers.items())))
        if path in web.answers:
            status, headers = web.answers[path]
            return self.answer(status, headers)
        if path not in web.files:
            return self.answer(404, {})
        content, asked = web.files[path], re.fullmatch(r"bytes=(\d+)-(\d+)", self.header("Range"))
        headers = {"ETag": version_of(content)} if web.says_version else {}
        if web.has_ranges and asked:
            first, last = int(asked[1]), int(asked[2])
            if first >= len(content):
                return self.answer(416, {**headers, "Content-Range": f"bytes */{len(content)}"})
            body = content[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{len(content)}"
            return self.answer(206, headers, body)
        return self.answer(200, headers, content)

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        web = self.web
        if len(body) > 1:
            web.during()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if web.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        is_look = self.header("Range") == "bytes=0-0"
        is_broken = len(body) > 1 and web.breaks > 0 and not is_look
        sent = body[: web.break_after] if is_broken else body
        if web.is_chunked:
            sent = b"%x\r\n%b\r\n" % (len(sent), sent) if sent else b""
            sent += b"" if is_broken else b"0\r\n\r\n"
        if is_broken:
            web.breaks -= 1
            self.close_connection = True
        try:
            self.wfile.write(sent)
        except OSError:  # it was asked for a look only
            self.close_connection = True


@contextmanager
def web_server(context: Any = None) -> Iterator[Web]:
    """A server on this machine. Args: context: of TLS."""
    web = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"web": web}))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    web.address = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
