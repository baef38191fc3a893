"""Files in buckets: single ones, folders and patterns, as on this machine."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import SourceAway, SourceChanged, SourceError
from tasks.sentiment.reading.origin import place_of_files
from tasks.sentiment.reading.remote import bucket
from tasks.sentiment.reading.source import open_source

ONE = b"id,text\n1,good\n"


def rows(address, *more):
    return [row.values for row in open_source(address).rows(["id", "text", *more], more)]


def test_object_is_read_as_a_file(s3):
    """Packed or not, with signs in its name that addresses quote, and Parquet by parts."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": range(9), "text": ["fine"] * 9, "stars": [5] * 9}), buffer)

    assert rows(s3.put("a folder/r 50%.csv", ONE)) == [{"id": "1", "text": "good"}]
    assert len(rows(s3.put("r.parquet", buffer.getvalue()))) == 9
    source = open_source(f"s3://{s3.name}/r.parquet")
    assert source.name == "r" and source.types()["stars"] == pa.int64()


def test_folder_and_pattern_are_read_as_here(s3):
    """Hidden and foreign files are left out and counted; folders give columns."""
    for day in ("01", "02"):
        s3.put(f"feed/date=2026-11-{day}/part-1.csv", ONE)
    s3.put("feed/_SUCCESS", b"")
    s3.put("feed/.hidden/part-1.csv", ONE)

    folder = open_source(f"s3://{s3.name}/feed/")
    assert folder.name == "feed" and "2 files left out" in folder.left_out
    assert [row["date"] for row in rows(f"s3://{s3.name}/feed", "date")] == [
        "2026-11-01",
        "2026-11-02",
    ]
    for pattern, found in (
        ("feed/date=*-02/*.csv", 1),
        ("feed/**/part-?.csv", 2),
        ("**", 2),
        ("feed/date=2026-11-0[12]/part-[!2].csv", 2),
        ("f*/date=*/part-1.csv", 2),
    ):
        assert len(rows(f"s3://{s3.name}/{pattern}")) == found, pattern


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("{}/nothing.csv", "nothing at s3://"),
        ("{}/*.parquet", "no file matches"),
        ("no-such-bucket-here/reviews.csv", "nothing at|no bucket"),
        ("", "a bucket and a path"),
        ("*/reviews.csv", "a bucket and a path"),
        ("{}/[z-a].csv", "no pattern"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(s3, reference, says):
    """Of a bucket, a key and a pattern."""
    s3.put("reviews.csv", ONE)
    with pytest.raises(SourceError, match=says) as error:
        open_source(f"s3://{reference.format(s3.name)}")
    assert "\n" not in str(error.value)


def test_exact_name_comes_before_a_pattern(s3):
    """As it does here."""
    s3.put("lit/reviews[1].csv", ONE)
    s3.put("lit/reviews1.csv", ONE.replace(b"good", b"other"))
    assert rows(f"s3://{s3.name}/lit/reviews[1].csv") == [{"id": "1", "text": "good"}]


def test_caret_in_brackets_is_a_sign_like_others(s3):
    """As it is here: only ! turns them round."""
    s3.put("a/^.csv", ONE)
    s3.put("a/s.csv", ONE.replace(b"good", b"other"))
    assert rows(f"s3://{s3.name}/a/[^r].csv") == [{"id": "1", "text": "good"}]


@pytest.mark.parametrize("key", ["d/a//b.csv", "d//a/b.csv"])
def test_object_that_another_would_hide_is_refused(s3, key):
    """None of a folder is missing in silence."""
    s3.put("d/a/b.csv", ONE)
    s3.put(key, ONE)
    with pytest.raises(SourceError, match="rename it"):
        open_source(f"s3://{s3.name}/d")


def test_object_that_changes_while_it_is_read_is_refused(s3):
    """Also by one of the same size."""
    address = s3.put("r.csv", ONE)
    source = open_source(address)
    found = source.rows(["id", "text"])
    next(found)
    s3.put("r.csv", ONE.replace(b"good", b"fine"))

    with pytest.raises(SourceChanged, match="run again"):
        list(found)
    assert open_source(address).fingerprint() != source.fingerprint()


def test_server_that_is_not_there_can_be_tried_again(s3, nobody, monkeypatch):
    """And it is not taken for a missing file."""
    address = s3.put("r.csv", ONE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{nobody}")
    with pytest.raises(SourceAway, match="does not answer"):
        open_source(address)


def test_server_that_is_no_address_is_refused(s3, monkeypatch):
    """With how it is written; trying again would not help."""
    address = s3.put("r.csv", ONE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(SourceError, match="write it as https://host:port") as error:
        open_source(address)
    assert not isinstance(error.value, SourceAway)


def test_certificate_of_nobody_is_refused():
    """With the variable that names one's own authority; trying again would not help."""
    said = "AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 60, SSL peer"
    error = bucket._error("s3://reviews/r.csv", said)
    assert "AWS_CA_BUNDLE" in str(error) and not isinstance(error, SourceAway)


def test_what_an_object_is_called_is_no_reason():
    """Whatever words its name holds."""
    said = "When reading information for key 'credential-403.csv' in bucket 'reviews': no response"
    error = bucket._error("s3://reviews/credential-403.csv", said)
    assert "may not be read" not in str(error)


def test_origin_of_an_address_is_the_address(s3):
    """As it was given: no folder of this machine stands before it."""
    assert place_of_files("s3://bucket/feed/") == "s3://bucket/feed"
