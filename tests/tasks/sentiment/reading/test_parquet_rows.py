"""Parquet rows: text of any type, damage named."""

import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.source import open_source
from tests.tasks.sentiment.inputs import COLUMNS, cells, read, write_bytes, write_parquet


@pytest.mark.parametrize(
    "kind", ["large_string", "dictionary", "string_view", "binary", "binary_view"]
)
def test_parquet_text_is_read_whatever_its_type(tmp_path, kind):
    """Every way in which Parquet holds text gives str."""
    types = {"large_string": pa.large_string(), "binary": pa.binary(), "string_view": None}
    types["binary_view"] = pa.binary_view()
    array = pa.array(["good", None, "naïve"])
    if kind == "dictionary":
        array = array.dictionary_encode()
    else:
        array = array.cast(types[kind] or pa.string_view())
    pq.write_table(pa.table({"text": array, "stars": [1, 2, None]}), tmp_path / "a.parquet")

    rows = read(tmp_path / "a.parquet", ["text", "stars"])

    assert cells(rows) == [("good", 1), (None, 2), ("naïve", None)]


def test_parquet_with_wrong_encoding_fails_in_its_row_only(tmp_path):
    """A string column may hold bytes that are no UTF-8."""
    raw = pa.array([b"ok", b"f\xfcr"])
    wrong = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    pq.write_table(pa.table({"text": wrong}), tmp_path / "a.parquet")

    assert cells(read(tmp_path / "a.parquet", ["text"])) == [("ok",), ("f\udcfcr",)]


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz"])
def test_parquet_that_is_none_is_refused(tmp_path, name):
    """A truncated or foreign file is refused before the first row."""
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        open_source(str(write_bytes(tmp_path / name, b"PAR1 not really"))).rows(COLUMNS)


def test_parquet_that_is_damaged_inside_is_an_error(tmp_path):
    """Damaged pages give an error that names the file."""
    file = write_parquet(tmp_path / "a.parquet")
    content = bytearray(file.read_bytes())
    content[4:60] = bytes(56)
    file.write_bytes(content)

    with pytest.raises(SourceError, match=r"a\.parquet is damaged after row 0"):
        read(file)


def test_types_are_those_that_all_parquet_files_agree_on(tmp_path):
    """Where files differ, or are no Parquet, a column has no type of its own."""
    texts = pa.array(["good"]).dictionary_encode()
    for name, stars in (("a", pa.array([1])), ("b", pa.array([True]))):
        table = pa.table({"text": texts, "stars": stars, "day": pa.array([0], pa.date32())})
        pq.write_table(table, tmp_path / f"{name}.parquet")

    one = open_source(str(tmp_path / "a.parquet"))
    assert one.types() == {"text": pa.string(), "stars": pa.int64(), "day": pa.date32()}
    assert open_source(str(tmp_path)).types() == {"text": pa.string(), "day": pa.date32()}
    assert open_source(str(write_bytes(tmp_path / "c.csv", b"text\n"))).types() == {}


def test_type_of_a_column_is_that_of_the_files_that_have_one(tmp_path):
    """A column that is missing, or holds nothing but nulls, says nothing about its type."""
    for name, columns in (("a", {}), ("b", {"n": pa.nulls(1)}), ("c", {"n": pa.array([2])})):
        pq.write_table(pa.table({"text": ["good"], **columns}), tmp_path / f"{name}.parquet")

    assert open_source(str(tmp_path)).types() == {"text": pa.string(), "n": pa.int64()}
    assert open_source(str(tmp_path / "b.parquet")).types() == {"text": pa.string()}


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        (pa.array([1, None]), pa.array([1.5, None]), pa.float64()),
        (pa.array([1], pa.int8()), pa.array([1.5], pa.float32()), pa.float64()),
        (pa.array([1.5], pa.float16()), pa.array([1.5]), pa.float64()),
        (pa.array([-(2**53)]).dictionary_encode(), pa.array([1.5]), pa.float64()),
        (pa.array([None], pa.int64()), pa.array([1.5]), pa.float64()),
        (pa.array([2**53 + 1]), pa.array([1.5]), None),
        (pa.array([1], pa.int16()), pa.array([2**63 - 1]), pa.int64()),
        (pa.array([1]), pa.array([2**63], pa.uint64()), None),
        (pa.array([1]), pa.array([True]), None),
        (pa.array([1]), pa.array(["007"]), None),
        (pa.array([1]), pa.array([decimal.Decimal("1.5")]), None),
    ],
    ids=str,
)
def test_numbers_of_several_files_have_a_type_in_common(tmp_path, first, second, common):
    """As one file that holds them all would have it; where a value would change there is none."""
    for name, stars in (("a", first), ("b", second)):
        table = pa.table({"text": ["good"] * len(stars), "stars": stars})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    source = open_source(str(tmp_path))

    assert source.types().get("stars") == common
    values = [row.values["stars"] for row in source.rows(["stars"]) if row.values is not None]
    if common is not None:
        assert pa.array(values, common).to_pylist() == [*first.to_pylist(), *second.to_pylist()]


def test_numbers_whose_size_is_not_told_have_no_type_in_common(tmp_path):
    """A file need not say how large its numbers are; reading them all would take a while."""
    for name, stars in (("a", [1]), ("b", [1.5])):
        table = pa.table({"stars": stars})
        pq.write_table(table, tmp_path / f"{name}.parquet", write_statistics=False)

    assert open_source(str(tmp_path)).types() == {}
