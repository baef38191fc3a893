"""A way to a PostgreSQL that can stand still and break: what happens to a network, and to hosts."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

PIECE_BYTES = 65_536


class Proxy:
    """Takes connections at a port of this machine, and passes them on.

    Attributes:
        url: the database's address through here.
        before: called with what a client sends, before it is passed on.
    """

    def __init__(self, url: str) -> None:
        address = sa.make_url(url)
        folder = address.query["host"]
        self._target = f"{folder}/.s.PGSQL.{address.query.get('port', 5432)}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        near = address.set(host="127.0.0.1", port=port, query={})
        self.url = near.render_as_string(hide_password=False)
        self.before: Callable[[bytes], None] = _nothing
        self._asks, self._answers = threading.Event(), threading.Event()  # may pass
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.thaw()
        self._start(self._accept)

    def freeze(self, *, answers_only: bool = False) -> None:
        """Nothing passes any more, or no answers: as where a host or its disk has stopped."""
        if not answers_only:
            self._asks.clear()
        self._answers.clear()

    def thaw(self) -> None:
        """All that has waited passes, and what comes."""
        self._asks.set()
        self._answers.set()

    def cut(self) -> None:
        """All connections break."""
        broken, self._sockets = self._sockets, []  # those that follow are others
        for each in broken:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop for good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self.thaw()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._sockets += [client, server]
                self._start(self._pass, client, server, self._asks)
                self._start(self._pass, server, client, self._answers)

    def _pass(self, source: socket.socket, target: socket.socket, may: threading.Event) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                if may is self._asks:
                    self.before(piece)
                may.wait()
                target.sendall(piece)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()


@contextmanager
def between(url: str) -> Iterator[Proxy]:
    """A proxy before the database at an address."""
    proxy = Proxy(url)
    try:
        yield proxy
    finally:
        proxy.close()


def _nothing(_piece: bytes) -> None:
    pass
