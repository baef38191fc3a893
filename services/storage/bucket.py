"""A bucket of S3, or of a server that speaks its protocol, as a place for whole files.

Who may read and write there is boto3's own configuration: the variables and files of AWS. An
object is there whole or not at all. Every error is one line; that the server is away, so that
trying again may help, is told from all else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from services.storage.errors import StorageBusy, StorageError

MOST_TRIES = 5  # of each request, with pauses in between
CONNECT_TIMEOUT_S = 10
DIGEST = "sha256"  # kept beside an object: its ETag is a digest of the content in some buckets only

_TYPES = {".json": "application/json", ".parquet": "application/vnd.apache.parquet"}
_AWAY = ("SlowDown", "RequestTimeout", "Throttling", "ThrottlingException")
_RIGHTS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"


class BucketError(StorageError):
    """The bucket refused, or its address or configuration is wrong."""


class BucketAway(BucketError, StorageBusy):
    """The server did not answer now, and may later."""


class Bucket:
    """Objects below a prefix; `client` is boto3's. Threads may share it.

    Every method raises BucketError, and BucketAway where trying again may help.
    """

    def __init__(self, name: str, prefix: str, client: Any) -> None:
        self._name = name
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client

    @property
    def url(self) -> str:
        """Its address, for people."""
        return f"s3://{self._name}/{self._prefix}".rstrip("/")

    def check(self) -> None:
        """Ask for one name: whether there is such a bucket, and may be looked into."""
        with self._errors():
            self._client.list_objects_v2(Bucket=self._name, Prefix=self._prefix, MaxKeys=1)

    def sizes(self, folder: str) -> dict[str, int]:
        """The bytes of each object below a folder, by its name there."""
        start = f"{self._prefix}{folder}/"
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2")
            return {
                each["Key"].removeprefix(start): each["Size"]
                for page in pages.paginate(Bucket=self._name, Prefix=start)
                for each in page.get("Contents", ())
            }

    def digest(self, name: str) -> str | None:
        """The sha256 of an object that `put` wrote; None of any other."""
        with self._errors():
            told = self._client.head_object(Bucket=self._name, Key=self._prefix + name)
            found = told["Metadata"].get(DIGEST)
            return str(found) if found else None

    def put(self, name: str, file: Path, digest: str) -> None:
        """Write a file as an object, in the place of what was there.

        digest: the file's sha256.
        Raises: OSError: the file cannot be read.
        """
        with file.open("rb") as content, self._errors():
            self._client.put_object(
                Bucket=self._name,
                Key=self._prefix + name,
                Body=content,
                ContentType=_TYPES.get(file.suffix, "application/octet-stream"),
                Metadata={DIGEST: digest},
            )

    def delete(self, name: str) -> None:
        """Delete an object; nothing happens where there is none."""
        with self._errors():
            self._client.delete_object(Bucket=self._name, Key=self._prefix + name)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from botocore import exceptions

        try:
            yield
        except (exceptions.ClientError, exceptions.BotoCoreError) as error:
            raise _our_error(self.url, error) from error


def open_bucket(url: str) -> Bucket:
    """The bucket at s3://bucket/prefix. Raises: BucketError: as `connect`."""
    return Bucket(*connect(url))


def connect(url: str) -> tuple[str, str, Any]:
    """The bucket's name, the prefix and boto3's client of s3://bucket/prefix; asks nobody yet.

    Raises: BucketError: no bucket is named, boto3 is not installed, or AWS's variables and files
        are wrong.
    """
    parts = urlsplit(url)
    if not parts.netloc:
        raise BucketError(f"{url} names no bucket: use s3://bucket/prefix")
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise BucketError(
            f"{url} needs boto3, which is not installed: pip install boto3"
        ) from error
    retries = {"mode": "standard", "max_attempts": MOST_TRIES}
    config = Config(retries=retries, connect_timeout=CONNECT_TIMEOUT_S)
    try:
        session = boto3.session.Session()
        region = session.region_name or "us-east-1"  # servers beside Amazon's have no regions
        client = session.client("s3", config=config, region_name=region)
    except (BotoCoreError, ValueError) as error:  # the latter: AWS_ENDPOINT_URL is no address
        raise BucketError(f"{url} cannot be opened: {error}") from error
    return parts.netloc, parts.path, client


def _our_error(url: str, error: Any) -> BucketError:
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _refusal(url, error)
    if isinstance(error, exceptions.SSLError):
        return BucketError(
            f"the certificate of the server of {url} is not trusted: if it is your own, name its"
            " authority's file in AWS_CA_BUNDLE"
        )
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        told = type(error).__name__  # the rest is the whole address
        return BucketAway(f"the server of {url} does not answer ({told}): try again later")
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return BucketError(f"{url} cannot be used without keys: {_RIGHTS}")
    return BucketError(f"{url} cannot be used: {_first_line(error)}")


def _refusal(url: str, error: Any) -> BucketError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status >= 500 or status == 429 or code in _AWAY:
        told = code if not code.isdigit() else str(status)
        return BucketAway(f"the server of {url} is not able now ({told}): try again later")
    if code == "NoSuchBucket":
        return BucketError(f"there is no bucket {url}: make it, or correct the address")
    if code == "RequestTimeTooSkewed":
        return BucketError(f"the server of {url} has another time than this machine: set its clock")
    if status in (401, 403):
        return BucketError(
            f"{url} may not be used ({code}): {_RIGHTS}, with the rights to list,"
            " read, write and delete"
        )
    return BucketError(f"{url} refuses: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
