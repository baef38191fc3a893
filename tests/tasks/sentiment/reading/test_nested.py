"""Fields in fields: a path leads to one, and a column of just that name comes first."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.source import open_source
from tests.tasks.sentiment.inputs import cells, read, write_bytes

RECORDS = [
    {"id": 1, "review": {"body": "good", "by": {"name": "Ann"}}},
    {"id": 2, "review": {"body": "bad", "by": None}},
    {"id": 3, "review": None},
]
PATHS = ["id", "review.body", "review.by.name"]
FOUND = [(1, "good", "Ann"), (2, "bad", None), (3, None, None)]


def test_path_leads_into_the_objects_of_json(tmp_path):
    """Where a part of the path is missing, the value is."""
    content = "\n".join(map(json.dumps, RECORDS)).encode()

    assert cells(read(write_bytes(tmp_path / "a.jsonl", content), PATHS)) == FOUND


def test_path_leads_into_the_structs_of_parquet(tmp_path):
    """A null struct has null fields."""
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet")

    assert cells(read(tmp_path / "a.parquet", PATHS)) == FOUND


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_column_with_a_dot_in_its_name_is_no_path(tmp_path, suffix):
    """Flattened tables have such columns, sometimes beside the object that they came from."""
    record = {"review": {"body": "inner"}, "review.body": "outer"}
    file = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        file.write_text(json.dumps(record))
    else:
        pq.write_table(pa.Table.from_pylist([record]), file)

    assert cells(read(file, ["review.body"])) == [("outer",)]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_path_that_leads_nowhere_is_refused(tmp_path, suffix):
    """As a column that is missing."""
    file = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        file.write_text(json.dumps(RECORDS[0]))
    else:
        pq.write_table(pa.Table.from_pylist(RECORDS), file)

    with pytest.raises(SourceError, match=r"has no column review\.text"):
        open_source(str(file)).rows(["review.text"])


def test_column_of_structs_or_lists_is_no_text(tmp_path):
    """It is refused at once, and a struct with the paths that there are."""
    table = pa.table({"review": [{"body": "good", "stars": 1}], "words": [["so", "good"]]})
    pq.write_table(table, tmp_path / "a.parquet")
    source = open_source(str(tmp_path / "a.parquet"))

    with pytest.raises(SourceError, match=r"one of its fields, review\.body, review\.stars$"):
        source.rows(["review"], text="review")
    with pytest.raises(SourceError, match=r"words of a\.parquet holds list<.*>, not text"):
        source.rows(["words"], text="words")
    assert len(list(source.rows(["words", "review.body"], text="review.body"))) == 1


def test_field_that_a_struct_has_twice_is_refused(tmp_path):
    """Which of the two is meant is not known."""
    twice = pa.StructArray.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["body", "body"])
    pq.write_table(pa.table({"review": twice}), tmp_path / "a.parquet")

    with pytest.raises(SourceError, match="a struct has more than one field body"):
        open_source(str(tmp_path / "a.parquet")).rows(["review.body"])
