"""Promises of the database that all panels share, on a SQLite file and a real PostgreSQL alike."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.storage.database import Database, begin, is_busy, wait_for_turn
from services.storage.errors import StorageBusy, StorageError
from services.storage.upsert import insert_into, upsert_into
from services.storage.utc import UtcDateTime
from tests.conftest import Restart

METADATA = sa.MetaData()
NOTES = sa.Table(
    "notes",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("text", sa.Text),
    sa.Column("at", UtcDateTime),
)
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
EVERY_OTHER = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class LightDatabase(Database):
    """As a panel makes one of its own."""

    error, busy = type("Refused", (StorageError,), {}), type("Busy", (StorageBusy,), {})
    synchronous = "NORMAL"


def prepared(url: str) -> Database:
    database = Database(url)
    with database.transaction(writes=True) as connection:
        wait_for_turn(connection, 7)
        METADATA.create_all(connection)
    return database


def write(database: Database, *rows: dict[str, object]) -> None:
    with database.transaction(writes=True) as connection:
        connection.execute(insert_into(NOTES, database.is_postgres), list(rows))


def read(database: Database) -> list[tuple[object, ...]]:
    with database.transaction(writes=False) as connection:
        return [tuple(row) for row in connection.execute(sa.select(NOTES).order_by("name"))]


def test_transaction_happens_as_a_whole_or_not_at_all(database_url):
    """An exception of the caller comes through as it is, and undoes what was written."""
    with closing(prepared(database_url)) as database:
        write(database, {"name": "a"})
        with (
            pytest.raises(OSError, match="the caller's"),
            database.transaction(writes=True) as connection,
        ):
            connection.execute(sa.insert(NOTES).values(name="b"))
            raise OSError("the caller's own")

        assert read(database) == [("a", None, None)]


def test_one_connection_has_many_transactions(database_url):
    """Each is committed by itself."""
    with closing(prepared(database_url)) as database, database.connect() as connection:
        for name in ("a", "b"):
            with begin(connection, writes=True):
                connection.execute(sa.insert(NOTES).values(name=name))
            assert len(read(database)) == "ab".index(name) + 1


def test_times_are_given_and_returned_in_utc(database_url):
    """To the microsecond; a time of another zone is the same instant, one without is refused."""
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    with closing(prepared(database_url)) as database:
        write(database, {"name": "a", "at": NOON}, {"name": "b", "at": tokyo})
        for _, _, at in read(database):
            assert at == NOON
            assert isinstance(at, datetime) and at.utcoffset() == timedelta(0)
        with pytest.raises(StorageError, match="has no time zone"):
            write(database, {"name": "c", "at": NOON.replace(tzinfo=None)})


def test_upsert_changes_what_differs_alone(fresh_postgres_url):
    """The very row version stays where all values are the same."""

    def versions() -> dict[str, str]:
        with database.transaction(writes=False) as connection:
            rows = connection.execute(sa.text("SELECT name, xmin::text FROM notes"))
            return {row.name: row.xmin for row in rows}

    with closing(prepared(fresh_postgres_url)) as database:
        write(database, {"name": "a", "text": "x"}, {"name": "b", "text": "x"})
        before = versions()
        with database.transaction(writes=True) as connection:
            rows = [{"name": "a", "text": "x", "at": None}, {"name": "b", "text": "y", "at": None}]
            connection.execute(upsert_into(NOTES, is_postgres=True), rows)

        assert [text for _, text, _ in read(database)] == ["x", "y"]
        assert versions()["a"] == before["a"] and versions()["b"] != before["b"]


def test_tables_are_made_by_many_at_once(database_url):
    """Several processes may start on an empty database; they take turns."""
    start = threading.Barrier(6)

    def prepare(_: int) -> None:
        start.wait()
        prepared(database_url).close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(prepare, range(6)))
    with closing(Database(database_url)) as database:
        assert read(database) == []


@pytest.mark.parametrize(("kind", "synchronous"), [(Database, 2), (LightDatabase, 1)])
def test_sqlite_makes_its_folder_writes_ahead_and_syncs_as_asked(tmp_path, kind, synchronous):
    """The first start needs no preparation, and readers do not wait for the writer."""
    file = tmp_path / "var" / "deep" / "triptych.db"
    database = kind(f"sqlite:///{file}")
    assert not file.parent.exists()
    with database.transaction(writes=True) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous


def test_sqlite_locked_for_too_long_is_busy(tmp_path):
    """Waiting ends as the address says; readers are not held up."""
    file = tmp_path / "triptych.db"
    database = prepared(f"sqlite:///{file}?timeout=0.05")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy, match="locked"):
            write(database, {"name": "a"})
        assert read(database) == []
    write(database, {"name": "a"})


def test_error_is_of_the_type_that_the_panel_asks_for(tmp_path):
    """Busy and broken, and both fit the policy of all."""
    database = LightDatabase(f"sqlite:///{tmp_path / 'a.db'}?timeout=0")
    with pytest.raises(LightDatabase.error, match="no such table"):
        read(database)
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LightDatabase.busy):
            write(database, {"name": "a"})
    with pytest.raises(LightDatabase.error, match="sqlite:///FILE"):
        LightDatabase("nonsense")


def test_sqlite_file_that_is_no_database_is_one_clear_line(tmp_path: Path):
    """A file of another kind is left as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, by far " * 100)
    with pytest.raises(StorageError, match="file is not a database") as caught:
        prepared(f"sqlite:///{file}")

    assert not isinstance(caught.value, StorageBusy)
    assert file.read_text().startswith("not a database")


def test_sqlite_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "var").write_text("")
    with pytest.raises(StorageError, match="cannot make the folder"):
        prepared(f"sqlite:///{tmp_path}/var/triptych.db")


def test_postgres_connection_that_is_lost_is_busy(fresh_postgres_url):
    """It is worth another try, which succeeds."""
    with (
        closing(prepared(fresh_postgres_url)) as database,
        closing(Database(fresh_postgres_url)) as other,
    ):
        with (
            pytest.raises(StorageBusy) as caught,
            database.transaction(writes=True) as connection,
        ):
            with other.transaction(writes=False) as killer:
                killer.exec_driver_sql(EVERY_OTHER)
            connection.execute(sa.insert(NOTES).values(name="a"))
        assert "\n" not in str(caught.value)
        write(database, {"name": "a"})
        assert read(database) == [("a", None, None)]


def test_postgres_that_restarts_is_busy_until_it_is_back(
    fresh_postgres_url: str, postgres_restart: Restart
) -> None:
    """For a connection that it cuts, and for those who ask while it is away."""
    with closing(prepared(fresh_postgres_url)) as database:
        with (
            pytest.raises(StorageBusy),
            database.transaction(writes=True) as connection,
        ):
            connection.execute(sa.insert(NOTES).values(name="a"))
            postgres_restart.stop()
            connection.execute(sa.insert(NOTES).values(name="b"))
        with pytest.raises(StorageBusy):
            write(database, {"name": "c"})
        postgres_restart.start()
        write(database, {"name": "d"})
        assert [name for name, _, _ in read(database)] == ["d"]


def test_postgres_lock_that_is_held_for_too_long_is_busy(fresh_postgres_url):
    """Nobody waits for ever."""
    with (
        closing(prepared(fresh_postgres_url)) as database,
        closing(Database(fresh_postgres_url, patience_s=0.1)) as impatient,
        database.transaction(writes=True) as connection,
    ):
        wait_for_turn(connection, 7)
        with (
            pytest.raises(StorageBusy, match="lock timeout"),
            impatient.transaction(writes=True) as other,
        ):
            wait_for_turn(other, 7)


def test_postgres_that_is_not_there_is_busy_without_the_password(tmp_path):
    """A server that starts later may answer; the address shows, the password does not."""
    pytest.importorskip("psycopg")
    url = f"postgresql+psycopg://ann:s3cret@/reviews?host={tmp_path}&sslpassword=s4cret"
    with pytest.raises(StorageBusy) as caught:
        prepared(url)

    message = str(caught.value)
    assert "ann:***@/reviews" in message
    assert "s3cret" not in message
    assert "s4cret" not in message
    assert "\n" not in message


def test_postgres_of_unknown_host_is_one_line_without_the_password():
    """Nobody answers for a name under .invalid (RFC 6761), and no waiting changes that."""
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError) as caught:
        prepared("postgresql://ann:s3cret@nowhere.invalid/reviews")

    assert "ann:***@nowhere.invalid/reviews" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_postgres_database_that_is_unknown_is_not_busy(postgres_url):
    """Waiting does not make a database."""
    unknown = sa.make_url(postgres_url).set(database="nowhere")
    with pytest.raises(StorageError, match="does not exist") as caught:
        prepared(unknown.render_as_string(hide_password=False))
    assert not isinstance(caught.value, StorageBusy)


@pytest.mark.parametrize(
    ("error", "busy"),
    [
        (sa.exc.TimeoutError("QueuePool limit"), True),
        (Exception("could not receive data from server: Connection timed out"), True),
        (Exception("FATAL:  the database system is starting up"), True),
        (Exception("FATAL:  sorry, too many clients already"), True),
        (Exception('FATAL:  password authentication failed for user "ann"'), False),
        (sqlite3.OperationalError("no such table: notes"), False),
    ],
)
def test_busy_is_what_may_pass_by_itself(error, busy):
    """Also where libpq tells it by words alone."""
    assert is_busy(error) is busy


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "mysql://ann:s3cret@host/db", "s3cret", "a://b:s3cret"],
)
def test_address_of_another_kind_is_refused(url):
    """The line says which addresses there are, and shows no password."""
    with pytest.raises(StorageError, match="sqlite:///FILE or postgresql") as caught:
        Database(url)
    assert "s3cret" not in str(caught.value)


def test_no_part_of_a_password_with_an_at_sign_is_shown():
    """What follows it would be taken for a host, and be told as such."""
    with pytest.raises(StorageError, match="as %40") as caught:
        Database("postgresql://ann:a@s3cret@host/db")
    assert "s3cret" not in str(caught.value)
