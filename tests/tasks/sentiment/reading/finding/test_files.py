"""Finding files: what a folder holds is read, and what is left out is counted."""

import errno
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.finding.files import find_files
from tasks.sentiment.reading.recognition.dialect import UTF8
from tasks.sentiment.reading.source import open_source
from tests.tasks.sentiment.inputs import COLUMNS, ROWS, write_bytes, write_csv, write_tsv


def test_folder_is_read_with_all_below_it(tmp_path):
    """Files of one name in two folders stay apart by the folder's name."""
    for name in ("today.csv", "archive/today.csv", "archive/older/b.csv.gz"):
        write_csv(tmp_path / "feed" / name)

    source = open_source(str(tmp_path / "feed"))

    files = list(dict.fromkeys(row.file for row in source.rows(COLUMNS)))
    assert files == ["archive/older/b.csv.gz", "archive/today.csv", "today.csv"]
    assert (source.name, source.left_out) == ("feed", "")


def test_hidden_and_foreign_files_are_left_out_and_counted(tmp_path):
    """Whatever else lies in a folder of tables is no table, and does not stop the run."""
    write_csv(tmp_path / "a.csv")
    write_bytes(tmp_path / "README.txt", b"Ask Anna before deleting.\n")
    for name in ("Thumbs.db", "_SUCCESS", ".a.csv.crc", ".old/a.csv", "_temporary/0/a.csv"):
        write_bytes(tmp_path / name, b"id,text\n")

    source = open_source(str(tmp_path))

    assert len(list(source.rows(COLUMNS))) == len(ROWS)
    assert source.left_out == (
        "6 files left out (.a.csv.crc, .old/a.csv, README.txt, Thumbs.db, _SUCCESS, …)"
    )


@pytest.mark.parametrize("name", ["night.txt", "part-00000", "part-00000.gz", "night.zst.TSV"])
def test_folder_without_a_name_of_a_table_is_read_by_content(tmp_path, name):
    """Exports named .txt, and parts without an ending, are tables where nothing else is one."""
    write_tsv(tmp_path / name)
    write_bytes(tmp_path / "seal.sig", b"\0")

    source = open_source(str(tmp_path))

    assert {row.file for row in source.rows(COLUMNS)} == {name}
    assert source.left_out == "1 file left out (seal.sig)"


def test_folder_of_foreign_files_holds_no_input(tmp_path):
    """A folder of pictures is refused as one that holds nothing to read."""
    write_bytes(tmp_path / "a.png", b"\x89PNG")

    with pytest.raises(SourceError, match="holds no input file; understood are CSV"):
        open_source(str(tmp_path))


def test_partition_of_hive_is_a_column(tmp_path):
    """Of every row below the folder, whatever the kind of the file; no value is null."""
    write_csv(tmp_path / "date=2026-11-19" / "shop=a%2Fb" / "0.csv")
    write_bytes(tmp_path / "date=2026-11-20" / "0.jsonl", b'{"id": "b1", "text": "x"}\n')
    file = tmp_path / "date=__HIVE_DEFAULT_PARTITION__" / "0.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"id": ["c1"], "text": ["y"]}), file)

    source = open_source(str(tmp_path))
    rows = source.rows(["date", *COLUMNS, "shop"], optional=["date", "shop"])

    values = [row.values for row in rows if row.values is not None]
    found = {row["id"]: (row["date"], row["shop"]) for row in values}
    assert found["a1"] == ("2026-11-19", "a/b")
    assert found["b1"] == ("2026-11-20", None)
    assert found["c1"] == (None, None)


def test_column_of_a_file_comes_before_the_partition_of_its_folder(tmp_path):
    """Some writers leave the column in the file as well, with its type."""
    file = tmp_path / "n=1" / "0.parquet"
    file.parent.mkdir()
    pq.write_table(pa.table({"text": ["y"], "n": [1]}), file)
    source = open_source(str(tmp_path))

    rows = list(source.rows(["text", "n"], optional=["n"]))

    assert [row.values for row in rows] == [{"text": "y", "n": 1}]
    assert source.types()["n"] == pa.int64()


@pytest.fixture
def locked(monkeypatch) -> dict[str, bool]:
    """Folders that do not tell about what is in them, and whether they tell the names at least."""
    folders: dict[str, bool] = {}
    scan, look = os.scandir, os.stat

    def refuse(place: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(place))

    def scan_unlocked(place):
        return scan(place) if folders.get(os.fspath(place), True) else refuse(place)

    def look_unlocked(place, **options):
        is_inside = not isinstance(place, int) and str(Path(place).parent) in folders
        return refuse(place) if is_inside else look(place, **options)

    monkeypatch.setattr(os, "scandir", scan_unlocked)
    monkeypatch.setattr(os, "stat", look_unlocked)
    monkeypatch.setattr(os, "lstat", lambda place: look_unlocked(place, follow_symlinks=False))
    return folders


PATTERNS = ["", "**", "**/*.csv", "*/*.csv", "*/a.csv"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_folder_that_cannot_be_read_is_refused_and_not_left_out(tmp_path, locked, pattern):
    """Its rows would be missing without a word; a hidden one is left out anyway."""
    for name in (".old/a.csv", "_old/a.csv", "june/a.csv", "may/a.csv"):
        write_csv(tmp_path / name)
    locked |= {str(tmp_path / ".old"): False, str(tmp_path / "_old"): False}
    source = open_source(str(tmp_path / pattern))
    assert len(list(source.rows(COLUMNS))) == 2 * len(ROWS)

    locked[str(tmp_path / "june")] = False
    with pytest.raises(SourceError, match="june cannot be read: Permission denied"):
        open_source(str(tmp_path / pattern))


def test_folder_that_a_pattern_does_not_ask_for_may_be_locked(tmp_path, locked):
    """Nothing that was asked for is missing."""
    for name in ("june/a.csv", "may/a.csv", "may/locked/a.csv"):
        write_csv(tmp_path / name)
    locked |= {str(tmp_path / "june"): False, str(tmp_path / "may" / "locked"): False}

    assert len(list(open_source(str(tmp_path / "may" / "*.csv")).rows(COLUMNS))) == len(ROWS)
    assert len(list(open_source(str(tmp_path / "m*" / "a.csv")).rows(COLUMNS))) == len(ROWS)


def test_file_that_its_folder_does_not_tell_about_is_refused(tmp_path, locked):
    """A folder may show its names and no more; a link that leads nowhere is no file."""
    write_csv(tmp_path / "a.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    assert len(list(open_source(str(tmp_path)).rows(COLUMNS))) == len(ROWS)

    locked[str(tmp_path)] = True
    with pytest.raises(SourceError, match=r"a\.csv cannot be read: Permission denied"):
        open_source(str(tmp_path))


def test_link_that_leads_nowhere_is_told(tmp_path):
    """An archive that is not mounted: a folder is read without it, and says so."""
    write_csv(tmp_path / "day1.csv")
    (tmp_path / "day2.csv").symlink_to(tmp_path / "archive" / "day2.csv")
    (tmp_path / "day3").symlink_to(tmp_path)

    told = open_source(str(tmp_path)).left_out
    matched = open_source(str(tmp_path / "*.csv")).left_out

    assert "day2.csv: a link that leads nowhere" in told and "day3: a linked folder" in told
    assert matched == "1 file left out (day2.csv: a link that leads nowhere)"
    with pytest.raises(SourceError, match=r"day2\.csv is a link to .*archive.*, where nothing is"):
        open_source(str(tmp_path / "day2.csv"))


def test_folder_named_as_a_table_is_read_where_a_pattern_matches_it(tmp_path):
    """Spark writes a table so; other folders beside files are told."""
    write_csv(tmp_path / "day1.csv")
    write_csv(tmp_path / "day2.csv" / "part-0.csv")
    write_csv(tmp_path / "days" / "day3.csv")
    write_bytes(tmp_path / "day2.csv" / "_SUCCESS", b"")

    found = find_files(str(tmp_path / "day*"), UTF8)

    assert [file.name for file in found.files] == ["day1.csv", "day2.csv/part-0.csv"]
    assert found.remark == "2 files left out (day2.csv/_SUCCESS, days: a folder)"


def test_pattern_that_matches_folders_alone_means_what_is_in_them(tmp_path):
    """With the columns that their names give."""
    for name in ("date=2026-11-19/0.csv", "date=2026-11-20/0.csv", "date=2026-12-01/0.csv"):
        write_csv(tmp_path / name)

    rows = list(open_source(str(tmp_path / "date=2026-11-*")).rows(["id", "date"], ["date"]))

    assert {row.values["date"] for row in rows if row.values} == {"2026-11-19", "2026-11-20"}


def test_what_excel_writes_beside_an_open_workbook_is_left_out(tmp_path):
    """It has the workbook's ending and is none."""
    write_csv(tmp_path / "r.csv")
    write_bytes(tmp_path / "~$r.xlsx", b"\x04user\0")

    assert open_source(str(tmp_path)).left_out == "1 file left out (~$r.xlsx)"
