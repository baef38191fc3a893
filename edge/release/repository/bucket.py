"""A repository in a bucket of S3, or of a server that speaks its protocol.

Every file is one object, which S3 shows whole or not at all. Objects are created by If-None-Match
and replaced by If-Match: whatever else fails, no publisher overwrites what another one has written.
(Amazon S3 and MinIO heed these conditions; a server that ignores them is fit for one publisher.)

The lock is the object `.lock`: who holds it and until when. It is taken by the same conditions and
prolonged by every write. A publisher that dies keeps others out until its lease ends, LEASE_S after
its last write; one that is slower than its lease is told so at its next write. Publishers' clocks
must agree within minutes for that, and for nothing else.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edge.release.errors import RepositoryError
from edge.release.repository.storage import LOCK, PATIENCE_S, Conflict, holder
from services.storage.bucket import BucketError, connect

LEASE_S = 300.0
_POLL_S = 0.5
_TYPES = {"json": "application/json", "png": "image/png", "jpg": "image/jpeg"}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_ALWAYS = "no-cache"


@dataclass(frozen=True)
class _Lease:
    token: str
    until: float  # seconds since 1970
    etag: str


class BucketStorage:
    """Objects below a prefix; `client` is boto3's."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        client: Any,
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client
        self._patience_s = patience_s
        self._clock = clock
        self._lease: _Lease | None = None

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def read(self, name: str) -> bytes | None:
        found = self._get(name)
        return found[0] if found else None

    def create(self, name: str, content: bytes) -> None:
        self._prolong()
        if self._put(name, content, _FOR_EVER, IfNoneMatch="*"):
            return
        if self.read(name) != content:
            raise Conflict(f"{self.url}/{name} is there already, with another content")

    def replace(self, name: str, content: bytes, old: bytes | None) -> None:
        self._prolong()
        found = self._get(name)
        if (found and found[0]) == old:
            condition = {"IfMatch": found[1]} if found else {"IfNoneMatch": "*"}
            if self._put(name, content, _ASK_ALWAYS, **condition):
                return
            # Our own first try may have arrived although its answer did not.
            if self.read(name) == content:
                return
        raise Conflict(f"{self.url}/{name} was changed by another program")

    @contextmanager
    def lock(self) -> Iterator[None]:
        self._lease = self._wait_for(uuid.uuid4().hex)
        try:
            yield
        finally:
            held, self._lease = self._lease, None
            # If this fails, the lease ends by itself.
            with contextlib.suppress(RepositoryError):
                self._put_lock(held.token, 0.0, IfMatch=held.etag)

    def _wait_for(self, token: str) -> _Lease:
        give_up_at = time.monotonic() + self._patience_s
        while True:
            found = self._get(LOCK)
            held_by, held_token, until = self._held(found[0]) if found else ("", "", 0.0)
            if found and held_token == token:  # a put of ours arrived, its answer did not
                return _Lease(token, until, found[1])
            if until <= self._clock():
                condition = {"IfMatch": found[1]} if found else {"IfNoneMatch": "*"}
                if lease := self._put_lock(token, self._clock() + LEASE_S, **condition):
                    return lease
            elif time.monotonic() >= give_up_at:
                raise RepositoryError(
                    f"{self.url} is being written by {held_by}: try again when it has ended, or "
                    f"in {until - self._clock():.0f} s if it was killed"
                )
            time.sleep(min(_POLL_S, self._patience_s))

    def _held(self, content: bytes) -> tuple[str, str, float]:
        """Holder, token and end of a lock."""
        try:
            lock = json.loads(content)
            return str(lock["holder"]), str(lock["token"]), float(lock["until"])
        except (ValueError, KeyError, TypeError) as error:
            raise RepositoryError(
                f"{self.url}/{LOCK} is no lock of ours ({error!r}): remove it if nobody publishes"
            ) from error

    def _prolong(self) -> None:
        """Hold the lock for longer, once half of the lease is over."""
        lease = self._lease
        if lease is None or self._clock() < lease.until - LEASE_S / 2:
            return
        until = self._clock() + LEASE_S
        if longer := self._put_lock(lease.token, until, IfMatch=lease.etag):
            self._lease = longer
            return
        raise Conflict(f"{self.url}: took longer than {LEASE_S:.0f} s; another publisher came")

    def _put_lock(self, token: str, until: float, **condition: str) -> _Lease | None:
        content = json.dumps({"holder": holder(), "token": token, "until": until}).encode()
        etag = self._put(LOCK, content, _ASK_ALWAYS, **condition)
        return _Lease(token, until, etag) if etag else None

    def _get(self, name: str) -> tuple[bytes, str] | None:
        """Content and ETag."""
        with _repository_errors(f"{self.url}/{name} cannot be read") as errors:
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
                return answer["Body"].read(), answer["ETag"]
            except errors.ClientError as error:
                if _code(error) in ("NoSuchKey", "404"):
                    return None
                if _code(error) in ("AccessDenied", "403"):
                    raise RepositoryError(
                        f"{self.url}/{name} cannot be read: {error}. S3 also answers so for "
                        "objects that are not there, where s3:ListBucket is not allowed"
                    ) from error
                raise

    def _put(self, name: str, content: bytes, caching: str, **condition: str) -> str | None:
        """Write an object if the condition holds; its ETag, or None."""
        with _repository_errors(f"{self.url}/{name} cannot be written") as errors:
            try:
                answer = self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._prefix + name,
                    Body=content,
                    ContentType=_TYPES.get(name.rpartition(".")[2], "application/octet-stream"),
                    CacheControl=caching,
                    **condition,
                )
                return str(answer["ETag"])
            except errors.ClientError as error:
                if _code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
                    return None
                raise


def open_bucket(url: str) -> BucketStorage:
    """The storage at s3://bucket/prefix; who may write there, is boto3's own configuration.

    Raises: RepositoryError: no bucket is named, or boto3 is not installed.
    """
    try:
        return BucketStorage(*connect(url))
    except BucketError as error:
        raise RepositoryError(str(error)) from error


@contextmanager
def _repository_errors(what: str) -> Iterator[Any]:
    """Turns botocore's errors into ours; gives their module."""
    from botocore import exceptions

    try:
        yield exceptions
    except (exceptions.ClientError, exceptions.BotoCoreError) as error:
        raise RepositoryError(f"{what}: {error}") from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
