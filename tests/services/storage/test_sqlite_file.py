"""A SQLite file is looked at and copied, and neither it nor its folder changes."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.storage import sqlite_file


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PAUSE_S", 0.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database whose journal is a write-ahead log, as ours are; nobody has it open."""
    file = tmp_path / "a b?#.db"  # what an address would read otherwise
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (n INTEGER)")
        writer.execute("INSERT INTO t VALUES (1)")
    os.utime(file, (1e9, 1e9))  # long ago: files' times go in ticks
    return file


def contents(file: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in file.parent.iterdir()}


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT n FROM t")]


def write(file: Path, number: int) -> None:
    """As another process does that comes, writes into its log, and brings it into the file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("INSERT INTO t VALUES (?)", (number,))


def test_reading_leaves_everything_as_it_was(file):
    """A connection of the usual kind would make files beside it."""
    before = contents(file)
    assert set(before) == {file.name}

    def ask(connection: sqlite3.Connection) -> list[int]:
        found = numbers(connection)
        assert contents(file) == before
        return found

    assert sqlite_file.look(file, ask) == [1]
    assert contents(file) == before


def test_nothing_can_be_written(file):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        sqlite_file.look(file, lambda reader: reader.execute("INSERT INTO t VALUES (2)"))


def test_what_is_read_is_of_one_moment(file):
    """Somebody begins to write while it is read: it is read again."""
    looks: list[list[int]] = []

    def ask(connection: sqlite3.Connection) -> list[int]:
        if not looks:
            write(file, 2)
        looks.append(numbers(connection))
        return looks[-1]

    assert sqlite_file.look(file, ask) == [1, 2]
    assert len(looks) == 2


def test_what_seems_damaged_while_somebody_writes_is_read_again(file):
    """Pages of two moments are no database."""
    looks: list[int] = []

    def ask(connection: sqlite3.Connection) -> list[int]:
        looks.append(1)
        if len(looks) == 1:
            write(file, 2)
            raise sqlite3.DatabaseError("database disk image is malformed")
        return numbers(connection)

    assert sqlite_file.look(file, ask) == [1, 2]


def test_file_that_is_always_being_written_is_no_damaged_one(file, monkeypatch):
    monkeypatch.setattr(sqlite_file, "MOST_LOOKS", 3)
    with pytest.raises(sqlite_file.WrittenMeanwhile, match="each of 3 looks") as told:
        sqlite_file.look(file, lambda connection: write(file, 2))
    assert sqlite_file.is_for_now(told.value)


def test_lock_of_another_is_told_from_damage(file, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.05)
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = DELETE")
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(sqlite3.OperationalError) as locked:
            sqlite_file.look(file, numbers)
    assert sqlite_file.is_for_now(locked.value)
    file.write_bytes(sqlite_file.MAGIC + b"\xff" * 5_000)
    with pytest.raises(sqlite3.DatabaseError) as damaged:
        sqlite_file.look(file, numbers)
    assert not sqlite_file.is_for_now(damaged.value)


def test_what_somebody_has_just_written_is_read_and_copied(file, tmp_path):
    """It is in the log only; what is not committed is in neither."""
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("INSERT INTO t VALUES (2)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (3)")
        assert sqlite_file.look(file, numbers) == [1, 2]
        sqlite_file.copy(file, tmp_path / "copy.db")
        writer.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone() == (2,)
    assert (tmp_path / "copy.db").stat().st_mode == file.stat().st_mode


def test_file_is_known_by_how_it_begins(file, tmp_path):
    (tmp_path / "other.db").write_bytes(b"SQLite")
    assert sqlite_file.is_sqlite(file)
    assert not sqlite_file.is_sqlite(tmp_path / "other.db")
