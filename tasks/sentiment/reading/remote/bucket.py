"""Files in buckets of S3 and of servers like it, through the client that pyarrow brings.

Who may read there is what the variables and files of AWS say. What the client says of an error is
not repeated where it holds an address.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tasks.sentiment.errors import SourceAway, SourceError, first_line
from tasks.sentiment.reading.remote.content import Content, State

CONNECT_TIMEOUT_S = 10.0
_VERSIONS = ("ETag", "Last-Modified")
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|PERMISSION_DENIED|UNAUTHENTICATED|Authenti"
    r"|Authoriz|Forbidden|Unauthorized|OAuth2|credential|NotPermitted|EXPIRED_TOKEN|InvalidToken"
    r"|\b40[13]\b|\b409\b",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"NETWORK_CONNECTION|UNAVAILABLE|SLOW_DOWN|THROTTLING|INTERNAL_FAILURE|INTERNAL|timeout"
    r"|timed out|curl|connect|\b(?:408|429|50[0-9])\b",
    re.IGNORECASE,
)
_UNTRUSTED = re.compile(r"curlCode: (?:60|77)\b")  # the certificate, or the file of authorities
_ADDRESS = re.compile(r"\S+://\S+|\S*[?&]\S+=\S*")
_SETTINGS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"


@dataclass(frozen=True)
class Listed:
    """What lies at a path: a file, a folder with its files, or nothing.

    Attributes:
        files: full paths of all files below a folder; only the path itself of a file.
    """

    is_file: bool
    files: tuple[str, ...]


class Bucket:
    """One bucket."""

    def __init__(self, name: str) -> None:
        """Opened as the environment says.

        Raises: SourceError, SourceAway: there is none of this name, or its region is not told.
        """
        self.name = name
        with _our_errors(f"s3://{name}"):
            self._system = _open(name, os.environ)

    def list(self, path: str) -> Listed | None:
        """What lies at a path, which begins with the bucket's name; None: nothing.

        Raises: SourceError, SourceAway.
        """
        with _our_errors(f"s3://{path}"):
            return _list(self._system, path)

    def file(self, path: str) -> "BucketFile":
        """The file at a path that was listed."""
        return BucketFile(self._system, path)


class BucketFile:
    """An object in a bucket."""

    def __init__(self, system: Any, path: str) -> None:
        self.address, self._system, self._path = f"s3://{path}", system, path

    def state(self) -> State:
        """See Remote."""
        with _our_errors(self.address), self._system.open_input_file(self._path) as file:
            said: Mapping[str, Any] = file.metadata() or {}
            size = file.size()
        told = [f"{key}={_plain(said[key])}" for key in _VERSIONS if key in said]
        return size, " ".join(told), 0

    def open(self) -> Content:
        """See Remote."""
        with _our_errors(self.address):
            return _Object(self.address, self._system.open_input_file(self._path))


class _Object:
    """The content of an object. Another version shows in its state after reading."""

    def __init__(self, address: str, file: Any) -> None:
        self._address, self._file = address, file
        self.size: int = file.size()

    def read_at(self, offset: int, length: int) -> bytes:
        """See Content."""
        with _our_errors(self._address):
            found: bytes = self._file.read_at(length, offset)
        return found


def _list(system: Any, path: str) -> Listed | None:
    from pyarrow.fs import FileSelector, FileType

    info = system.get_file_info(path)
    if info.type == FileType.NotFound:
        return None
    if info.type == FileType.File:
        return Listed(True, (path,))
    below = system.get_file_info(FileSelector(path, recursive=True))
    return Listed(False, tuple(each.path for each in below if each.type == FileType.File))


def _open(bucket: str, given: Mapping[str, str]) -> Any:
    from pyarrow import fs

    address = given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "request_timeout": 3 * CONNECT_TIMEOUT_S,
        "tls_ca_file_path": given.get("AWS_CA_BUNDLE") or None,
    }
    region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION")
    if address:
        place = urlsplit(address)
        if place.scheme not in ("https", "http") or not place.netloc:
            raise SourceError("AWS_ENDPOINT_URL is no address: write it as https://host:port")
        options |= {"endpoint_override": place.netloc, "scheme": place.scheme}
        region = region or "us-east-1"
    # Without keys the client signs nothing, which is how anybody reads a public bucket.
    return fs.S3FileSystem(region=region or fs.resolve_s3_region(bucket), **options)


@contextmanager
def _our_errors(address: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"there is nothing at {address}") from None
    except (OSError, ValueError, NotImplementedError) as error:
        raise _error(address, first_line(error)) from None


def _error(address: str, said: str) -> SourceError:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    for name in (bucket, key):  # what they are called is no reason
        said = said.replace(f"'{name}'", "…")
    if _UNTRUSTED.search(said):
        return SourceError(
            f"the certificate of the server of {address} is not trusted: if it is your own, name"
            " its authority's file in AWS_CA_BUNDLE"
        )
    if "NO_SUCH_BUCKET" in said or "not found" in said.lower():
        return SourceError(f"there is no bucket {address}")
    if _REFUSED.search(said):
        return SourceError(f"{address} may not be read: set {_SETTINGS}")
    if _AWAY.search(said):
        return SourceAway(f"the server of {address} does not answer: try again later")
    return SourceError(f"{address} cannot be read: {_ADDRESS.sub('…', said)[:200]}")


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
