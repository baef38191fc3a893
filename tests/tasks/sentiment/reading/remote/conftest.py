"""A bucket on a server that speaks S3's protocol, and no pauses."""

import itertools
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.sentiment.reading.remote import content

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "PAUSES_S", (0.0, 0.0))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def nobody() -> Iterator[str]:
    """Host and port of this machine at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


class S3:
    """A new bucket: `put` writes an object."""

    def __init__(self, client: Any) -> None:
        self.name = f"reviews-{next(_NUMBERS)}"
        self._client = client
        client.create_bucket(Bucket=self.name)

    def put(self, key: str, content: bytes) -> str:
        """The object's address."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content)
        return f"s3://{self.name}/{key}"


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    import boto3

    for name in ("AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return S3(boto3.client("s3", region_name="us-east-1"))
