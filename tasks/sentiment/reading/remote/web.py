"""A file on a web server, read by ranges; where a server knows none, by an unnamed copy on disk.

What is sent besides the address (`Access`) goes to its own server over TLS only, and stands in no
message: those of libraries are not repeated, as they may.
"""

import errno
import http.client
import os
import re
import ssl
import tempfile
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from tasks.sentiment.errors import SourceAway, SourceChanged, SourceError
from tasks.sentiment.reading.remote.address import Access, refuse_other_host
from tasks.sentiment.reading.remote.content import Content, State

TIMEOUT_S = 30.0  # without a byte
COPY_BYTES = 1 << 20
_VERSIONS = ("x-amz-version-id", "x-goog-generation", "ETag", "Last-Modified")
_RANGE = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")
_AWAY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_OF_OUR_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_KEPT = "/%:@!$&'()*+,;=~-._"  # in a path: what is quoted already stays so


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said of a file, its content aside.

    Attributes:
        size: of the whole file in bytes, -1: not said.
        version: "" if nothing tells versions apart.
        has_ranges: parts of it can be asked for.
    """

    size: int
    version: str
    has_ranges: bool


class WebFile:
    """A file at a https:// or http:// address."""

    def __init__(self, address: str, access: Access) -> None:
        """Nothing is asked yet.

        Raises: SourceError: it is no address of a file, or what is secret would go over http:// or
            to another host than its own.
        """
        self.address = address.strip()
        self._url = _url(self.address, access)
        self._authorization = access.authorization
        self._copy: _Copy | None = None  # one version, held as long as the source is

    def state(self) -> State:
        """See Remote."""
        with self._ask("bytes=0-0") as response:
            answer = _answer(response)
        return answer.size, answer.version, 0

    def open(self) -> Content:
        """See Remote."""
        if self._copy is not None:
            return self._copy
        with self._ask("bytes=0-0") as response:
            answer = _answer(response)
        if answer.has_ranges and answer.version:  # else two parts might be of two versions
            return _Ranges(self, answer)
        with self._ask(None) as response:
            self._copy = _Copy(self.address, response)
        return self._copy

    @contextmanager
    def _ask(self, ranged: str | None) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request, whatever its status, with what went wrong as our errors.

        A GET in any case: an address that was signed for reading answers nothing else.
        """
        request = urllib.request.Request(self._url, headers={"User-Agent": "triptych"})
        if ranged:
            request.add_header("Range", ranged)
        if self._authorization:  # another server that this one sends us to does not get it
            request.add_unredirected_header("Authorization", self._authorization)
        try:
            with _opener().open(request, timeout=TIMEOUT_S) as response:
                yield response
        except urllib.error.HTTPError as error:
            status, size = error.code, error.headers.get("Content-Range", "")
            error.close()  # it may be closed already, which `with` does not bear
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size == "bytes */0":
                yield _nothing(error.headers)
                return
            raise _refusal(self.address, status) from None
        except (OSError, http.client.HTTPException) as error:
            raise _failure(self.address, error) from None
        except ValueError:
            raise SourceError(f"{self.address} leads to an address that is none") from None


class _Ranges:
    """The content of a file on a server that gives parts of it."""

    def __init__(self, file: WebFile, answer: _Answer) -> None:
        self._file, self._answer, self.size = file, answer, answer.size

    def read_at(self, offset: int, length: int) -> bytes:
        """See Content."""
        with self._file._ask(f"bytes={offset}-{offset + length - 1}") as response:
            if _answer(response) != self._answer:
                raise SourceChanged(
                    f"{self._file.address} has changed since reading began: run again"
                )
            start = response.headers.get("Content-Range", "")
            if not start.startswith(f"bytes {offset}-"):
                raise SourceError(f"{self._file.address} answers another part than was asked for")
            return _read(response, length)


class _Copy:
    """The content of a file on a server that gives it whole, in an unnamed file of this machine."""

    def __init__(self, address: str, response: http.client.HTTPResponse) -> None:
        said = _answer(response).size
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        weakref.finalize(self, self._file.close)
        self.size = 0
        while piece := response.read(COPY_BYTES):
            self._file.write(piece)
            self.size += len(piece)
        self._file.flush()
        if said >= 0 and self.size != said:
            raise SourceAway(f"{address} breaks off after {self.size:,} of {said:,} bytes")
        if said < 0 and not response.chunked:
            raise SourceError(
                f"{address} comes without its length, so that nothing tells whether it came whole:"
                " copy the file to this machine first"
            )

    def read_at(self, offset: int, length: int) -> bytes:
        """See Content."""
        return os.pread(self._file.fileno(), length, offset)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to another one, but not from TLS to plain HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme.lower() != "https":
            raise _Downgrade
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any
    ) -> Any:
        """As the library's own, which leaves the answer open where it leads nowhere."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except (_Downgrade, ValueError):
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class _Downgrade(OSError): ...


def _opener() -> urllib.request.OpenerDirector:
    """For http:// and https:// alone; proxies are those of the environment."""
    opener = urllib.request.OpenerDirector()
    context = ssl.create_default_context()  # trusts what SSL_CERT_FILE names as well
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SafeRedirects(),
    ):
        opener.add_handler(handler)
    return opener


def _url(address: str, access: Access) -> str:
    try:
        parts = urlsplit(address)
        host = parts.netloc.encode("idna").decode()
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except (ValueError, UnicodeError):
        is_whole = False
    if not is_whole or not address.isprintable():
        raise SourceError("the source is an address without a host, or with signs that none has")
    if "*" in parts.path:
        raise SourceError(
            f"{address} names several files: web servers do not list them, so name one"
        )
    scheme = parts.scheme.lower()
    if scheme != "https" and (access.authorization or access.query):
        raise SourceError(
            f"TRIPTYCH_SOURCE_AUTHORIZATION and TRIPTYCH_SOURCE_QUERY are sent over https:// only,"
            f" and {address} is none: unset them"
        )
    refuse_other_host(str(parts.hostname), access)
    secrets = (access.authorization or "") + (access.query or "")
    if not (secrets.isascii() and secrets.isprintable()):
        raise SourceError(
            "TRIPTYCH_SOURCE_AUTHORIZATION or TRIPTYCH_SOURCE_QUERY holds what no address can"
        )
    query = "&".join(part for part in (parts.query, (access.query or "").lstrip("?&")) if part)
    path = quote(parts.path or "/", safe=_KEPT)
    return urlunsplit((scheme, host, path, quote(query, safe=_KEPT + "?"), ""))


def _answer(response: http.client.HTTPResponse) -> _Answer:
    headers = response.headers
    version = " ".join(f"{name}={headers[name]}" for name in _VERSIONS if headers[name])
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if response.status == HTTPStatus.PARTIAL_CONTENT and found:
        return _Answer(int(found[1]), version, has_ranges=True)
    length = headers.get("Content-Length", "")
    is_whole = response.status == HTTPStatus.OK
    return _Answer(int(length) if is_whole and length.isdigit() else -1, version, has_ranges=False)


def _nothing(headers: Any) -> Any:
    """Stands for the answer to a part of an empty file."""
    empty = http.client.HTTPMessage()
    for name in _VERSIONS:
        if headers[name]:
            empty[name] = headers[name]
    empty["Content-Length"] = "0"
    return _Empty(HTTPStatus.OK, empty)


@dataclass(frozen=True)
class _Empty:
    status: int
    headers: Any


def _read(response: http.client.HTTPResponse, length: int) -> bytes:
    """What comes, up to `length` bytes: fewer if the connection breaks."""
    pieces: list[bytes] = []
    missing = length
    try:
        while missing and (piece := response.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
    except (OSError, http.client.HTTPException):
        if not pieces:
            raise
    return b"".join(pieces)


def _refusal(address: str, status: int) -> Exception:
    if status in _GONE:
        return FileNotFoundError(f"there is nothing at {address} ({status})")
    if status in _REFUSED:
        return SourceError(
            f"{address} may not be read (the server answers {status}): put the header's value into"
            " TRIPTYCH_SOURCE_AUTHORIZATION, or a signature into TRIPTYCH_SOURCE_QUERY"
        )
    if status in _AWAY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SourceAway(f"the server of {address} cannot answer now ({status}): try again later")
    return SourceError(f"{address} cannot be read: the server answers {status}")


def _failure(address: str, error: Exception) -> Exception:
    if isinstance(error, OSError) and error.errno in _OF_OUR_DISK:
        return error
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, _Downgrade):
        return SourceError(f"{address} leads from https:// to an address without TLS")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return SourceError(
            f"the certificate of {address} is not trusted ({reason.verify_message}): if it is your"
            " own, name its authority's file in SSL_CERT_FILE"
        )
    if isinstance(reason, TimeoutError):
        return SourceAway(f"the server of {address} does not answer within {TIMEOUT_S:.0f} s")
    said = reason.strerror if isinstance(reason, OSError) else None
    return SourceAway(
        f"the server of {address} does not answer ({said or type(reason).__name__}): try again"
        " later"
    )
