"""Databases that are damaged, empty, or none, and those that do not answer."""

import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from flows.verbs.backup import Backup
from services.storage import sqlite_file
from tasks.operations import backup
from tasks.operations.doctor import databases
from tasks.operations.doctor.check import Check, State
from tasks.operations.doctor.databases import check_databases, check_server
from tasks.operations.elsewhere import PREFECT_URL, WAREHOUSE_URL
from tasks.settings import Settings
from tests.tasks.operations.doctor.faults import states, the_fault


def damage(file: Path) -> None:
    """Overwrite a page in the middle."""
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 4096 // 2 * 4096)
        content.write(b"\xff" * 4096)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:6_000])


def move_aside(fault: Check) -> None:
    """Type what the cure says."""
    (typed,) = re.findall(r"then (mkdir .*?/damaged/\S+?/'?)(?=[:,]| |$)", fault.cure)
    subprocess.run(["sh", "-ec", typed], check=True)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (damage, "is damaged: "),
        (cut, "is damaged: "),
        (lambda file: file.write_bytes(b""), "is empty"),
        (lambda file: file.write_text("no database, but a text of some length"), "is no SQLite"),
    ],
    ids=["overwritten", "truncated", "empty", "text"],
)
def test_damaged_database_is_named_with_its_cure(home, settings, harm, says):
    file = home / "triptych.db"
    harm(file)
    before = sorted(home.rglob("*"))

    fault = the_fault(check_databases(settings))

    assert fault.told.startswith(f"{file} {says}")
    assert f"tar -xpf BACKUP.tar -C {home} triptych.db" in fault.cure and ".recover" in fault.cure
    assert sorted(home.rglob("*")) == before


def test_what_is_lost_with_each_database_is_told(home, settings):
    """Prefect's is made anew, and so is the fraud service's."""
    for place, cure in (
        ("prefect/prefect.db", "the next start makes a new one"),
        ("fraud/state.db", "it is built again from the snapshot"),
    ):
        file = home / place
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
        fault = the_fault(check_databases(settings))
        assert f"mv {file}* {file.parent}/damaged/{file.name}-1/" in fault.cure
        assert cure in fault.cure
        file.unlink()


def test_database_that_is_written_meanwhile_is_read_with_its_log(home, settings):
    """What a transaction has left in the log counts, and the file is not said to be damaged."""
    with closing(sqlite3.connect(home / "triptych.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE more (n INTEGER)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO more VALUES (1)")
        assert states(check_databases(settings)) == {State.OK}
        writer.execute("COMMIT")


def test_database_that_seems_damaged_at_one_moment_only_is_whole(home, settings, monkeypatch):
    """Somebody was writing; what is damaged stays so."""
    looks: list[str] = []

    def torn(file: Path, ask: object) -> list[str]:
        looks.append(file.name)
        return ["ok"] if looks.count(file.name) > 1 else ["row 3 missing from index i"]

    monkeypatch.setattr(databases, "AGAIN_S", 0.0)
    monkeypatch.setattr(sqlite_file, "look", torn)
    assert states(check_databases(settings)) == {State.OK}
    assert "triptych.db" in looks


def test_database_that_others_hold_is_not_said_to_be_damaged(home, settings, monkeypatch):
    monkeypatch.setattr(sqlite_file, "BUSY_S", 0.05)
    with closing(sqlite3.connect(home / "triptych.db", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = DELETE")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("CREATE TABLE more (n INTEGER)")
        (check,) = (each for each in check_databases(settings) if "triptych.db" in each.told)
    assert check.state is State.ABSENT and "not looked at: database is locked" in check.told


@pytest.mark.parametrize("name", ["triptych.db", "prefect/prefect.db", "a b/mine.db"])
def test_cure_of_a_damaged_database_can_be_typed_and_deletes_nothing(home, settings, name):
    """What is moved away is whole as it was, and is not looked at again."""
    file = home / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(sqlite_file.MAGIC + b"\xff" * 5_000)
    file.with_name(f"{file.name}-wal").write_bytes(b"log")
    before = file.read_bytes()

    fault = the_fault(check_databases(settings))
    assert not re.search(r"\brm\b|delete", fault.cure)
    move_aside(fault)

    assert not file.exists()
    aside = file.parent / "damaged" / f"{file.name}-1"
    assert (aside / file.name).read_bytes() == before
    assert (aside / f"{file.name}-wal").read_bytes() == b"log"
    assert State.FAULT not in states(check_databases(settings))


def test_second_damage_is_moved_away_beside_the_first(home, settings):
    """Neither gets the log of the other."""
    file = home / "triptych.db"
    for content in (b"one", b"two"):
        file.write_bytes(sqlite_file.MAGIC + content * 2_000)
        file.with_name(f"{file.name}-wal").write_bytes(content)
        move_aside(the_fault(check_databases(settings)))
        assert not file.exists()
    logs = [home / f"damaged/triptych.db-{number}/triptych.db-wal" for number in (1, 2)]
    assert [log.read_bytes() for log in logs] == [b"one", b"two"]


@pytest.mark.parametrize("variable", [WAREHOUSE_URL, PREFECT_URL])
@pytest.mark.parametrize("place", ["var/sub/mine.db", "other place/mine.db"])
def test_database_that_a_setting_places_is_brought_back_as_the_cure_says(
    home, tmp_path, monkeypatch, variable, place
):
    """In a folder of the home, and outside."""
    file = tmp_path / place
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE t AS SELECT 7 AS n")
    driver = "sqlite+aiosqlite" if variable == PREFECT_URL else "sqlite"
    monkeypatch.setenv(variable, f"{driver}:///{file}")
    backup.run(Backup(to=tmp_path / "BACKUP.tar"))
    cut(file)

    found = [check for check in check_databases(Settings()) if check.state is State.FAULT]
    fault = found[-1]  # that of the setting
    move_aside(fault)
    (typed,) = re.findall(r"from a back-up: (.*?)(?:\)$|; or|$)", fault.cure)
    subprocess.run(["sh", "-ec", typed], cwd=tmp_path, check=True)

    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT n FROM t").fetchall() == [(7,)]
    assert State.FAULT not in states(check_databases(Settings()))


@pytest.mark.parametrize("url", ["sqlite+aiosqlite:///{}", "sqlite:///{}"])
def test_prefects_own_form_of_an_address_is_looked_at(home, settings, monkeypatch, url):
    file = home / "elsewhere.db"
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", url.format(file))
    assert states(check_databases(settings)) == {State.OK}
    file.write_bytes(sqlite_file.MAGIC + b"\xff" * 5_000)
    found = [each for each in check_databases(settings) if each.state is State.FAULT]
    assert found and all(str(file) in each.told for each in found)


def test_prefects_postgres_is_asked_by_our_driver(monkeypatch, fresh_postgres_url, tmp_path):
    """With the words of Prefect's driver in its address."""
    address = fresh_postgres_url.replace("postgresql+psycopg", "postgresql+asyncpg")
    separator = "&" if "?" in address else "?"
    monkeypatch.setenv(
        "PREFECT_SERVER_DATABASE_CONNECTION_URL",
        f"{address}{separator}ssl=prefer&prepared_statement_cache_size=0",
    )
    (check,) = check_databases(Settings(home=tmp_path / "nothing"))
    assert check.state is State.OK, check.told


def test_files_of_other_programs_are_no_databases_of_ours(home, settings):
    """As Prometheus's client keeps its counters in files of that name."""
    (home / "fraud" / "metrics").mkdir()
    (home / "fraud" / "metrics" / "counter_1.db").write_bytes(bytes(100))
    assert states(check_databases(settings)) == {State.OK}


def test_server_that_is_away_is_named_without_its_password(monkeypatch):
    url = "postgresql+psycopg://user:geheim@127.0.0.1:1/results"
    monkeypatch.setenv("TRIPTYCH_DATABASE_URL", url)

    fault = the_fault(check_databases(Settings(home=Path("/nowhere"))))

    assert "127.0.0.1:1" in fault.told and "geheim" not in f"{fault}"
    assert "correct TRIPTYCH_DATABASE_URL" in fault.cure


def test_postgres_with_tables_of_another_program_is_told(fresh_postgres_url, tmp_path):
    """An empty one is well; so is one with our tables."""
    assert check_server(fresh_postgres_url, "X", tmp_path).state is State.OK
    engine = sa.create_engine(fresh_postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE devices (name TEXT)"))
    engine.dispose()

    fault = the_fault([check_server(fresh_postgres_url, "X", tmp_path)])

    assert "devices has no column device" in fault.told
