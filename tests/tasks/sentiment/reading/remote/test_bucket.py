"""Files in buckets: single ones, folders and patterns, as on this machine."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import SourceAway, SourceChanged, SourceError
from tasks.sentiment.reading.origin import place_of_files
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
    ],
)
def test_what_is_not_there_is_said_in_one_line(s3, reference, says):
    """Of a bucket, a key and a pattern."""
    s3.put("reviews.csv", ONE)
    with pytest.raises(SourceError, match=says) as error:
        open_source(f"s3://{reference.format(s3.name)}")
    assert "\n" not in str(error.value)


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


def test_server_that_is_not_there_can_be_tried_again(s3, monkeypatch):
    """And it is not taken for a missing file."""
    address = s3.put("r.csv", ONE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceAway, match="does not answer"):
        open_source(address)


def test_origin_of_an_address_is_the_address(s3):
    """As it was given: no folder of this machine stands before it."""
    assert place_of_files("s3://bucket/feed/") == "s3://bucket/feed"
