"""A SQLite file is looked at and copied, and neither it nor its folder changes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.storage import sqlite_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database whose journal is a write-ahead log, as ours are; nobody has it open."""
    file = tmp_path / "a b?#.db"  # what an address would read otherwise
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (n INTEGER)")
        writer.execute("INSERT INTO t VALUES (1)")
    return file


def look(file: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in file.parent.iterdir()}


def test_reading_leaves_everything_as_it_was(file):
    """A connection of the usual kind would make files beside it."""
    before = look(file)
    assert set(before) == {file.name}
    with sqlite_file.read_only(file) as reader:
        assert reader.execute("SELECT n FROM t").fetchall() == [(1,)]
        assert look(file) == before
    assert look(file) == before


def test_nothing_can_be_written(file):
    with (
        sqlite_file.read_only(file) as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("INSERT INTO t VALUES (2)")


def test_what_somebody_has_just_written_is_read_and_copied(file, tmp_path):
    """It is in the log only; what is not committed is in neither."""
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("INSERT INTO t VALUES (2)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (3)")
        with sqlite_file.read_only(file) as reader:
            assert reader.execute("SELECT count(*) FROM t").fetchone() == (2,)
        sqlite_file.copy(file, tmp_path / "copy.db")
        writer.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone() == (2,)
    assert (tmp_path / "copy.db").stat().st_mode == file.stat().st_mode


def test_file_is_known_by_how_it_begins(file, tmp_path):
    (tmp_path / "other.db").write_bytes(b"SQLite")
    assert sqlite_file.is_sqlite(file)
    assert not sqlite_file.is_sqlite(tmp_path / "other.db")
