"""Sources: every kind reads the same rows, and what is broken as a whole is an error."""

import gzip
import json
import os
import random
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine

from tasks.sentiment.errors import SourceChanged, SourceError
from tasks.sentiment.reading.source import Source, open_source
from tests.tasks.sentiment.inputs import (
    COLUMNS,
    ROWS,
    WRITERS,
    cells,
    read,
    write_bytes,
    write_csv,
    write_parquet,
)


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_source_reads_the_same_rows_of_every_kind(tmp_path, suffix, packed):
    """CSV, TSV, JSON Lines and Parquet, plain or gzipped, hand on equal rows."""
    source = open_source(str(WRITERS[suffix](tmp_path / f"night{suffix}{packed}")))

    rows = list(source.rows(COLUMNS))

    assert cells(rows) == ROWS
    assert [row.row_number for row in rows] == [1, 2, 3, 4]
    assert {row.file for row in rows} == {f"night{suffix}{packed}"}
    assert source.name == "night"


def test_source_hands_on_only_the_asked_columns(tmp_path):
    """A column that nobody asked for is not in the values."""
    row = read(write_csv(tmp_path / "a.csv"), ["text"])[0]

    assert row.values == {"text": "good, cheap"}


def test_folder_is_read_by_name_and_mixed(tmp_path):
    """Kinds may be mixed; hidden and underscored files are left out."""
    write_parquet(tmp_path / "night" / "b.parquet")
    write_csv(tmp_path / "night" / "a.csv.gz")
    (tmp_path / "night" / "_SUCCESS").touch()
    (tmp_path / "night" / ".a.csv.crc").touch()

    source = open_source(str(tmp_path / "night"))
    rows = list(source.rows(COLUMNS))

    assert cells(rows) == ROWS * 2
    assert [(row.file, row.row_number) for row in rows[3:5]] == [("a.csv.gz", 4), ("b.parquet", 1)]
    assert source.name == "night"


def test_glob_is_read_by_name_below_its_folder(tmp_path):
    """Files of one name in two folders stay apart by the folder's name."""
    for folder in ("b", "a", "_temporary"):
        write_csv(tmp_path / "feed" / folder / "reviews.csv")

    source = open_source(f"{tmp_path}/feed/**/*.csv")

    assert source.name == "feed"
    assert list(dict.fromkeys(row.file for row in source.rows(COLUMNS))) == [
        "a/reviews.csv",
        "b/reviews.csv",
    ]


@pytest.mark.parametrize(
    ("reference", "name"),
    [("f\udcfcr.csv", "f\ufffdr"), ("f\udcfcr", "f\ufffdr"), ("f\udcfcr/*.csv", "f\ufffdr")],
)
def test_name_that_is_not_utf_8_becomes_one_that_can_be_stored(tmp_path, reference, name):
    """Of a file, a folder and a pattern's folder, as old archives bring them along."""
    try:
        write_csv(tmp_path / "f\udcfcr.csv")
        write_csv(tmp_path / "f\udcfcr" / "reviews.csv")
    except OSError as error:  # macOS has no such names
        pytest.skip(f"the file system takes no such name: {error}")

    source = open_source(str(tmp_path / reference))

    assert source.name == name
    assert len(list(source.rows(COLUMNS))) == len(ROWS)


def test_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path):
    """A file whose name looks like a pattern is read as that file."""
    assert len(read(write_csv(tmp_path / "reviews[1].csv"))) == len(ROWS)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("reviws.csv", "is it reviews.csv?"),
        ("nowhere/reviews.csv", "there is no folder"),
        ("zzz", "a source is a file, a folder, a glob or a query"),
        ("empty", "holds no input file"),
        ("*.parquet", "no input file matches"),
        ("x" * 300, "cannot be read"),
    ],
)
def test_source_that_is_not_there_says_what_would_be_right(tmp_path, reference, says):
    """A mistyped reference gets a hint."""
    write_csv(tmp_path / "reviews.csv")
    (tmp_path / "empty").mkdir()

    with pytest.raises(SourceError, match=says.replace("?", r"\?")):
        open_source(f"{tmp_path}/{reference}")


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("https://user:secret@host/reviews.csv", "https:// address.*TRIPTYCH_SOURCE_AUTHORIZATION"),
        ("FTP://host/reviews.csv", "ftp:// address.*copy the file"),
        ("gs://bucket/reviews.parquet", "gs:// address"),
        ("abfss://c@account/reviews", "abfss:// address"),
        ("hdfs://host/reviews", "hdfs:// address"),
        ("file:///data/reviews.csv", "file:// address; give the path alone"),
        ("postgresql+psycopg://u:secret@host/db", r"address; put it into TRIPTYCH_SOURCE_DATABASE"),
        ("sqlite:///shop.db", "TRIPTYCH_SOURCE_DATABASE_URL"),
    ],
)
def test_address_is_refused_by_its_kind(reference, says):
    """With the way out, and without its password."""
    with pytest.raises(SourceError, match=says) as error:
        open_source(reference)

    assert "secret" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", WRITERS)
def test_missing_column_is_refused_before_the_first_row(tmp_path, suffix):
    """One line names the columns there are, and the one that may be meant."""
    source = open_source(str(WRITERS[suffix](tmp_path / f"a{suffix}")))

    with pytest.raises(SourceError) as error:
        source.rows(["id", "Txt"])

    assert str(error.value) == (
        f"a{suffix} has no column Txt (is it text?); its columns are: id, text"
    )


def test_missing_column_of_a_later_file_is_refused_before_the_first_row(tmp_path):
    """All files of a folder are looked at up front."""
    write_csv(tmp_path / "night" / "a.csv")
    write_bytes(tmp_path / "night" / "b.csv", b"id,words\n")

    with pytest.raises(SourceError, match=r"b\.csv has no column text"):
        open_source(str(tmp_path / "night")).rows(COLUMNS)


def test_optional_column_is_null_where_a_file_lacks_it(tmp_path):
    """Columns come and go over the years; a text or an id is never optional."""
    write_bytes(tmp_path / "a.csv", b"id,text\n1,old\n")
    write_bytes(tmp_path / "b.csv", b"stars,id,text\n5,2,new\n")
    pq.write_table(pa.table({"text": ["newer"], "id": ["3"]}), tmp_path / "c.parquet")
    write_bytes(tmp_path / "d.jsonl", b'{"id": "4", "text": "x"}\n{"id": "5", "stars": 1}\n')

    rows = list(open_source(str(tmp_path)).rows(["stars", *COLUMNS], optional=["stars"]))

    found = [row.values for row in rows if row.values is not None]
    assert [row["stars"] for row in found] == [None, "5", None, None, 1]
    assert [row["id"] for row in found] == ["1", "2", "3", "4", "5"]


def test_optional_column_that_no_file_has_is_refused(tmp_path):
    """It is misspelled, and a column of nulls would hide it."""
    write_csv(tmp_path / "a.csv")
    write_parquet(tmp_path / "b.parquet")

    with pytest.raises(SourceError, match=r"a\.csv has no column txt \(is it text\?\)"):
        open_source(str(tmp_path)).rows(["txt", "id"], optional=["txt"])


def test_optional_key_may_first_appear_in_any_object(tmp_path):
    """JSON Lines have no header: only behind the last row is it known that none has a key."""
    lines = [json.dumps({"text": "a", **({"reply": "b"} if n == 120 else {})}) for n in range(200)]
    source = open_source(str(write_bytes(tmp_path / "a.jsonl", "\n".join(lines).encode())))

    rows = list(source.rows(["text", "reply", "stars"], optional=["reply", "stars"]))

    assert [n for n, row in enumerate(rows) if row.values and row.values["reply"]] == [120]
    assert source.unseen == {"stars"}


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv.gz", ".jsonl.gz"])
def test_gzip_of_no_bytes_is_truncated_and_no_empty_source(tmp_path, suffix):
    """An archive of nothing has a head; JSON Lines of nothing in one is a source without rows."""
    (tmp_path / f"a{suffix}").touch()
    with pytest.raises(SourceError, match="truncated or damaged"):
        open_source(str(tmp_path / f"a{suffix}")).rows(["text"])

    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b""))
    assert list(open_source(str(tmp_path / "b.jsonl.gz")).rows(["text"])) == []


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv.gz", ".jsonl.gz"])
def test_truncated_gzip_says_where_it_breaks_off(tmp_path, suffix):
    """The rows before the break are read, then one error names the last of them."""
    numbers = random.Random(1)
    names = "id,text" if "csv" in suffix else "id\ttext"
    lines = [f'{{"id":{n},"text":"{numbers.random()}"}}' for n in range(20_000)]
    if "json" not in suffix:
        lines = [names, *(line.translate({ord(c): None for c in '{}":'}) for line in lines)]
        lines = [line.replace(",", names[2]) for line in lines]
    packed = gzip.compress("\n".join(lines).encode())
    file = tmp_path / f"a{suffix}"
    file.write_bytes(packed[: len(packed) // 2])

    rows = open_source(str(file)).rows(COLUMNS)
    count = 0
    with pytest.raises(SourceError, match="nothing was written") as error:
        for _ in rows:
            count += 1

    assert 1000 < count < 20_000
    assert f"a{suffix} breaks off after row {count} " in str(error.value)


def test_gzip_that_is_damaged_is_refused(tmp_path):
    """One with damaged bytes is an error, as is Parquet cut short."""
    packed = bytearray(gzip.compress(b"id,text\n" + os.urandom(20_000).hex().encode()))
    packed[200:300] = bytes(100)
    (tmp_path / "b.csv.gz").write_bytes(packed)
    whole = write_parquet(tmp_path / "c.parquet.gz").read_bytes()
    (tmp_path / "c.parquet.gz").write_bytes(whole[:-20])

    for name in ("b.csv.gz", "c.parquet.gz"):
        with pytest.raises(SourceError, match="truncated or damaged"):
            read(tmp_path / name)


def test_file_that_grows_while_it_is_read_is_refused(tmp_path):
    """Rows appended during the reading end it as changed."""
    file = write_csv(tmp_path / "a.csv")

    rows = open_source(str(file)).rows(COLUMNS)
    next(rows)
    with file.open("a") as growing:
        growing.write("a5,late\n")

    with pytest.raises(SourceChanged, match=r"a\.csv has changed"):
        list(rows)


@pytest.mark.parametrize("change", ["replaced", "removed", "touched"])
def test_file_that_changes_in_any_way_is_refused(tmp_path, change):
    """Another file under the name, none, or another time: the source is not what it was."""
    file = write_csv(tmp_path / "night" / "a.csv")
    write_csv(tmp_path / "night" / "b.csv")
    rows = open_source(str(tmp_path / "night")).rows(COLUMNS)
    for _ in range(len(ROWS) + 1):
        next(rows)

    before = file.stat()
    if change == "removed":
        file.unlink()
    elif change == "touched":
        os.utime(file, ns=(1, 1))
    else:
        file.rename(tmp_path / "old.csv")
        write_csv(file)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(SourceChanged):
        list(rows)


def test_half_written_gzip_is_changed_and_not_truncated(tmp_path):
    """A file that is still being uploaded is called changed, since running again helps."""
    packed = gzip.compress(b"id,text\n" + os.urandom(200_000).hex(",").replace(",", "\n").encode())
    file = tmp_path / "a.csv.gz"
    file.write_bytes(packed[:100_000])
    rows = open_source(str(file)).rows(COLUMNS)
    next(rows)
    with file.open("ab") as upload:
        upload.write(packed[100_000:150_000])

    with pytest.raises(SourceChanged):
        list(rows)


def test_fingerprint_tells_inputs_apart(tmp_path):
    """Equal for an untouched input; another after a change of content or time."""
    file = write_csv(tmp_path / "a.csv")
    first = open_source(str(file)).fingerprint()

    assert open_source(str(file)).fingerprint() == first
    os.utime(file, ns=(1, 1))
    assert open_source(str(file)).fingerprint() != first


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".parquet", "query"])
def test_memory_does_not_grow_with_the_input(tmp_path, suffix):
    """Many times the rows need the same memory, within a quarter of a megabyte."""

    def write(count: int) -> Source:
        rows = [(f"id-{number}", f"text {number} " + "x" * 100) for number in range(count)]
        file = tmp_path / f"{count}{suffix if suffix != 'query' else '.csv'}"
        query_url = None
        if suffix == ".jsonl":
            lines = [json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in rows]
            write_bytes(file, "\n".join(lines).encode())
        elif suffix == ".parquet":
            pq.write_table(
                pa.table({"id": [r[0] for r in rows], "text": [r[1] for r in rows]}), file
            )
        elif suffix == "query":
            query_url = f"sqlite:///{tmp_path}/{count}.db"
            engine = create_engine(query_url)
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE feed (id, text)")
                connection.exec_driver_sql("INSERT INTO feed VALUES (?, ?)", rows)
            engine.dispose()
        else:
            write_csv(file, rows)
        return open_source("SELECT * FROM feed" if query_url else str(file), query_url=query_url)

    def peak(source: Source, count: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in source.rows(COLUMNS)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = write(5_000), write(30_000)
    sum(1 for _ in few.rows(COLUMNS))  # what is opened once is no growth
    most = peak(few, 5_000) + 256 * 1024

    # Other threads of this process are counted too, and may come in between: not every time.
    assert any(peak(many, 30_000) < most for _ in range(5))


@pytest.mark.parametrize("option", ["delimiter", "quote", "escape", "sheet"])
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_option_that_no_file_has_a_use_for_is_refused(tmp_path, suffix, option):
    """It would change nothing, which nobody would notice."""
    WRITERS[suffix](tmp_path / f"a{suffix}")
    with pytest.raises(SourceError, match=f"where --{option} would change nothing"):
        read(tmp_path, **{option: ";"})
    with pytest.raises(SourceError, match=rf"^a\{suffix} is read as .* --{option} would"):
        read(tmp_path / f"a{suffix}", **{option: ";"})


def test_option_that_one_file_has_a_use_for_is_taken(tmp_path):
    """Of a folder in which others are no CSV."""
    write_csv(tmp_path / "a.csv", delimiter=";")
    write_parquet(tmp_path / "b.parquet")

    assert len(read(tmp_path, delimiter=";")) == 2 * len(ROWS)
