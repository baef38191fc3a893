"""A server that speaks S3's protocol, for those tests that need one."""

import itertools
import os
from typing import Any

import pytest

_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def s3(s3_server: str) -> Any:
    """A client of that server."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def bucket(s3: Any) -> str:
    """A new bucket."""
    name = f"releases-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name
