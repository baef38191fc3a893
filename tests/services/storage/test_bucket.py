"""Files in a bucket, and what is said where that is not possible."""

import socket
import sys

import pytest

from services.storage import bucket as module
from services.storage.bucket import BucketAway, BucketError, open_bucket
from services.storage.files import file_digest


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TRIES", 1)


def test_file_is_there_as_it_was_with_its_digest(own_bucket, tmp_path):
    """Under its name below the prefix; a slash at the end of the address does not matter."""
    file = tmp_path / "a.parquet"
    file.write_bytes(b"rows")
    for slash in ("", "/"):
        bucket = open_bucket(f"s3://{own_bucket.name}/some/prefix{slash}")
        bucket.put("day/a.parquet", file, file_digest(file))

    assert own_bucket.objects() == {"some/prefix/day/a.parquet": b"rows"}
    assert bucket.url == f"s3://{own_bucket.name}/some/prefix"
    assert bucket.sizes("day") == {"a.parquet": 4}
    assert bucket.digest("day/a.parquet") == file_digest(file)
    bucket.delete("day/a.parquet")
    bucket.delete("day/a.parquet")
    assert bucket.sizes("day") == {}


def test_object_of_another_writer_has_no_digest(own_bucket):
    """It counts as another content, whatever its ETag says."""
    own_bucket.client.put_object(Bucket=own_bucket.name, Key="day/a", Body=b"rows")

    assert open_bucket(f"s3://{own_bucket.name}").digest("day/a") is None


def test_folder_of_more_objects_than_a_page_has_is_listed(own_bucket, monkeypatch):
    """A server answers with a thousand names at most."""
    for number in range(5):
        own_bucket.client.put_object(Bucket=own_bucket.name, Key=f"day/{number}", Body=b"x")
    opened = open_bucket(f"s3://{own_bucket.name}")
    listed = opened._client.meta.events
    listed.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 2}
    )

    assert opened.sizes("day") == {str(number): 1 for number in range(5)}


def test_missing_bucket_is_named(own_bucket, tmp_path):
    """An address with a slip in it is no empty bucket."""
    bucket = open_bucket("s3://no-such-bucket/scores")

    for asked in (bucket.check, lambda: bucket.sizes("day")):
        with pytest.raises(BucketError, match="there is no bucket s3://no-such-bucket/scores"):
            asked()


def test_server_that_is_away_may_be_asked_again(own_bucket, monkeypatch):
    """The address of the server is not repeated: it may be one that nobody is to know."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(BucketAway) as told:
            open_bucket(f"s3://{own_bucket.name}").check()

    assert "does not answer (EndpointConnectionError): try again later" in str(told.value)
    assert str(port) not in str(told.value)


@pytest.mark.parametrize(
    ("status", "code", "kind", "told"),
    [
        (503, "SlowDown", BucketAway, "is not able now (SlowDown)"),
        (500, "InternalError", BucketAway, "is not able now (InternalError)"),
        (429, "429", BucketAway, "is not able now (429)"),
        (403, "AccessDenied", BucketError, "may not be used (AccessDenied): set AWS_ACCESS_KEY_ID"),
        (403, "InvalidAccessKeyId", BucketError, "may not be used (InvalidAccessKeyId): set AWS_"),
        (403, "RequestTimeTooSkewed", BucketError, "has another time than this machine"),
        (400, "InvalidRequest", BucketError, "refuses: An error occurred (InvalidRequest)"),
    ],
)
def test_refusal_is_one_line_and_says_whether_to_try_again(own_bucket, status, code, kind, told):
    """The server's own words only where nothing better is known."""
    bucket = open_bucket(f"s3://{own_bucket.name}")

    def refuse(params, **_):
        from botocore.exceptions import ClientError

        answer = {
            "Error": {"Code": code, "Message": "no"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        raise ClientError(answer, "ListObjectsV2")

    bucket._client.meta.events.register("provide-client-params.s3.ListObjectsV2", refuse)
    with pytest.raises(BucketError) as refused:
        bucket.check()

    assert type(refused.value) is kind
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_missing_keys_are_told(own_bucket, tmp_path, monkeypatch):
    """No variable, no file, and no machine that has a role."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    with pytest.raises(BucketError, match="cannot be used without keys: set AWS_ACCESS_KEY_ID"):
        open_bucket(f"s3://{own_bucket.name}").check()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AWS_ENDPOINT_URL", "localhost", "cannot be opened: Invalid endpoint: localhost"),
        ("AWS_PROFILE", "nobody", "cannot be opened: The config profile (nobody) could not be"),
    ],
)
def test_wrong_variables_are_told(own_bucket, variable, value, told, monkeypatch):
    """Before anybody is asked."""
    monkeypatch.setenv(variable, value)

    with pytest.raises(BucketError) as refused:
        open_bucket(f"s3://{own_bucket.name}")

    assert told in str(refused.value)


def test_address_without_a_bucket_is_refused():
    """It says what would be right."""
    with pytest.raises(BucketError, match="names no bucket: use s3://bucket/prefix"):
        open_bucket("s3:///prefix")


def test_bucket_without_boto3_says_what_to_install(monkeypatch):
    """An optional package is missing, nothing else is wrong."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BucketError, match="pip install boto3"):
        open_bucket("s3://bucket/prefix")
