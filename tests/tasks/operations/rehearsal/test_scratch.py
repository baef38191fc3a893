"""The copy that faults are done to, and the proof that the home is as it was."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.storage import sqlite_file
from tasks.operations.rehearsal import scratch
from tasks.operations.rehearsal.errors import RehearsalError
from tasks.settings import Settings


def count(file: Path, table: str) -> int:
    """The rows of a table."""
    query = f"SELECT count(*) FROM {table}"
    found: int = sqlite_file.look(file, lambda reader: reader.execute(query).fetchone()[0])
    return found


def test_copy_holds_what_counts_and_the_home_is_as_it_was(worked_home, tmp_path, monkeypatch):
    """Databases by SQLite, keys with their modes; neither logs nor traces of a server."""
    before = scratch.survey(worked_home)
    settings = Settings(home=worked_home)

    scratch.copy_home(settings, tmp_path / "copy")

    copied = scratch.survey(tmp_path / "copy")
    assert set(copied.files) == set(before.files)
    assert count(tmp_path / "copy" / "triptych.db", "review_sentiment") == 48
    assert (tmp_path / "copy" / "keys").stat().st_mode & 0o777 == 0o700
    assert before.changed(scratch.survey(worked_home)) == []
    assert scratch.size_of(settings) > 10_000


def test_file_that_is_deleted_meanwhile_is_neither_counted_nor_copied(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    there = tmp_path / "home" / "there"
    there.write_text("abc")
    monkeypatch.setattr(scratch, "_files", lambda folder: iter([there, folder / "gone"]))
    settings = Settings(home=tmp_path / "home")

    scratch.copy_home(settings, tmp_path / "copy")

    assert scratch.size_of(settings) == 3
    assert [file.name for file in (tmp_path / "copy").rglob("*") if file.is_file()] == ["there"]


def test_what_a_server_leaves_is_not_copied(tmp_path):
    """Its address, its log, and SQLite's files beside a database, whose content is copied."""
    home = tmp_path / "home"
    for name in ("prefect/server.url", "logs/worker.log", "cache/hub/model", "prefect/password"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    with closing(sqlite3.connect(home / "triptych.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (n INTEGER)")
        scratch.copy_home(Settings(home=home), tmp_path / "copy")

    assert set(scratch.survey(tmp_path / "copy").files) == {"prefect/password", "triptych.db"}
    assert count(tmp_path / "copy" / "triptych.db", "t") == 0


def test_folders_that_settings_put_elsewhere_are_copied_into_their_places(tmp_path):
    """Keys and releases; the copy's commands find them there."""
    home = tmp_path / "home"
    for folder in (home, tmp_path / "drawer", tmp_path / "www"):
        folder.mkdir()
    (tmp_path / "drawer" / "root-1.pem").write_text("key")
    (tmp_path / "www" / "timestamp.json").write_text("{}")
    variables = {
        "TRIPTYCH_RELEASE_KEYS": tmp_path / "drawer",
        "TRIPTYCH_RELEASES_URL": str(tmp_path / "www"),
    }
    scratch.copy_home(Settings(home=home, **variables), tmp_path / "copy")

    assert set(scratch.survey(tmp_path / "copy").files) == {
        "keys/root-1.pem",
        "releases/timestamp.json",
    }


def test_change_in_the_home_is_seen(tmp_path):
    """A file that is written again with as many bytes, one that goes, one that comes."""
    for name in ("same", "written", "gone"):
        (tmp_path / name).write_text("abc")
    before = scratch.survey(tmp_path)
    (tmp_path / "written").write_text("xyz")
    later = (tmp_path / "written").stat().st_mtime_ns + 1
    os.utime(tmp_path / "written", ns=(later, later))
    (tmp_path / "gone").unlink()
    (tmp_path / "new").write_text("abc")

    assert before.changed(scratch.survey(tmp_path)) == ["gone", "new", "written"]


def test_copy_without_room_is_refused_with_a_way_out(tmp_path):
    scratch.check_room(1_000, tmp_path)
    with pytest.raises(RehearsalError, match="TMPDIR=/larger triptych doctor --break"):
        scratch.check_room(10**18, tmp_path)


def test_damaged_database_is_told_by_name(tmp_path):
    """The doctor says what is to be done about it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "triptych.db").write_bytes(sqlite_file.MAGIC + b"\xff" * 5_000)
    with pytest.raises(RehearsalError, match=r"triptych\.db cannot be copied .*triptych doctor"):
        scratch.copy_home(Settings(home=home), tmp_path / "copy")


def test_no_setting_of_the_operators_reaches_the_copy(tmp_path, monkeypatch):
    """Neither a database of theirs nor a Prefect server; afterwards all is as it was."""
    theirs = {
        "TRIPTYCH_DATABASE_URL": "postgresql://theirs",
        "PREFECT_API_URL": "http://theirs/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql://theirs",
        "BENTOML_HOME": "/theirs",
        "AWS_SECRET_ACCESS_KEY": "theirs",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)

    with scratch.environment_of(tmp_path):
        assert not [value for value in os.environ.values() if "theirs" in value]
        assert Path(os.environ["TRIPTYCH_HOME"]) == tmp_path and "PATH" in os.environ

    assert dict(os.environ) == before
