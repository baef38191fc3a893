"""Fetches over HTTP and HTTPS, and cannot be held up.

A timeout of a socket starts anew with every byte, so a server that sends one now and then, of the
handshake, of the head or of the body, would hold a reader for ever. Here a timer shuts the
connection down under the reader when the time of the download is over.
"""

import re
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry, Timeout, make_headers

from edge_detector.contract.limits import Limits
from edge_detector.errors import ConfigError
from edge_detector.system.address import hide_secrets
from edge_detector.updates.fetcher import CHUNK_BYTES, BoundedFetcher

REDIRECTS = 3
_LOOPBACK = ("localhost", "127.0.0.1", "::1")  # no proxy knows what is here


class ConnectionCutter:
    """Cuts connections: those that are open, and, once cut, each that is opened."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may cut in the middle of `watch`
        self._sockets: list[socket.socket] = []
        self.cut = False

    def watch(self, connection: socket.socket) -> None:
        """Remember a connection: by a handle of our own, as TLS takes the given one away."""
        with self._lock:
            self._sockets.append(connection.dup())
        if self.cut:
            self.close_all()

    def close_all(self) -> None:
        """Cut all connections, so that who reads from them fails at once."""
        self.cut = True
        with self._lock:
            for connection in list(self._sockets):
                with suppress(OSError):  # the other side was faster
                    connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        """Cut when the block takes longer than that."""
        timer = threading.Timer(seconds, self.close_all)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def forget(self) -> None:
        """Let go of connections that are no longer used."""
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()
        self.cut = False


class WebFetcher(BoundedFetcher):
    """Reads a repository on a web server, through the system's proxy if it has one.

    A user and password go to that server alone, by basic authentication.
    """

    def __init__(self, base: str, limits: Limits, userinfo: str = "") -> None:
        """Raises: ConfigError: the system's proxy is none that is understood."""
        super().__init__(limits)
        self._cutter = ConnectionCutter()
        self._pool = _open_pool(base, limits, self._cutter)
        # What is verified byte by byte must come as it lies on the server: not compressed.
        self._headers = {
            **make_headers(user_agent="edge-detector", basic_auth=unquote(userinfo) or None),
            "Accept-Encoding": "identity",
        }

    def cancel(self) -> None:
        super().cancel()
        self._cutter.close_all()

    def close(self) -> None:
        self._pool.clear()
        self._cutter.forget()

    def _fetch(self, url: str) -> Generator[bytes, None, None]:
        with self._cutter.after(max(self._end - time.monotonic(), 0)):
            try:
                yield from self._stream(url)
            except (HTTPError, OSError) as error:
                self._check_cut(url)
                raise DownloadError(f"cannot fetch {url}: {_cause(error)}") from error
            self._check_cut(url)  # a body without a length seems to end where it was cut

    def _stream(self, url: str) -> Generator[bytes, None, None]:
        response = self._pool.request(
            "GET", url, headers=self._headers, preload_content=False, decode_content=False
        )
        try:
            if response.status != HTTPStatus.OK:
                raise DownloadHTTPError(
                    f"{url}: the server answers {response.status}", response.status
                )
            yield from response.stream(CHUNK_BYTES, decode_content=False)
        finally:
            response.close()  # of a body that was read whole, the connection is kept

    def _check_cut(self, url: str) -> None:
        if self._cutter.cut:
            self._check_time(url)
            raise SlowRetrievalError(f"{url} came too slowly and was given up")


def _open_pool(base: str, limits: Limits, cutter: ConnectionCutter) -> urllib3.PoolManager:
    """Connections that can be cut, and that wait for no server for long; raises as `WebFetcher`."""

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            cutter.watch(connection)
            return connection

    class TlsConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            cutter.watch(connection)
            return connection

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = TlsConnection

    settings = _settings(limits)
    proxy = _proxy(base)
    manager = urllib3.PoolManager(**settings)
    try:
        if proxy:
            manager = urllib3.ProxyManager(proxy, **settings)
    except (HTTPError, ValueError):  # which says the address, and a password in it
        raise ConfigError(
            f"the system's proxy {hide_secrets(proxy or '')} cannot be used: give http://host:port"
            f" in {urlsplit(base).scheme}_proxy, or name the releases' host in no_proxy"
        ) from None
    manager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}
    return manager


def _settings(limits: Limits) -> dict[str, Any]:
    return {
        "timeout": Timeout(connect=limits.connect_s, read=limits.silence_s),
        # Retry-After is for the server to say, and for us to ignore: it could name next year.
        "retries": Retry(
            total=REDIRECTS + 1,
            connect=1,
            read=0,
            redirect=REDIRECTS,
            status=0,
            other=0,
            backoff_factor=0.2,
            respect_retry_after_header=False,
        ),
    }


def _proxy(base: str) -> str | None:
    parts = urlsplit(base)
    host = parts.hostname or ""
    if host in _LOOPBACK or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _cause(error: Exception) -> str:
    """What went wrong, without the object it went wrong in."""
    reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    return re.sub(r"^\w*(Pool|Connection)\(.*?\): ", "", str(reason)) or repr(reason)
