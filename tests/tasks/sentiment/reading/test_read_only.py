"""A query given as the source reads, whatever it says; the database itself sees to that."""

import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.read_only import open_read_only
from tasks.sentiment.reading.source import open_source


@pytest.fixture
def url(database_url: str) -> str:
    """A database with two reviews, a sequence and a function that deletes, where it has such."""
    statements = [
        "CREATE TABLE feed (id INTEGER, text TEXT)",
        "INSERT INTO feed VALUES (1, 'good')",
    ]
    if database_url.startswith("postgresql"):
        statements += [
            "CREATE SEQUENCE numbers",
            "CREATE FUNCTION sweep() RETURNS int LANGUAGE sql AS 'DELETE FROM feed RETURNING id'",
        ]
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
    return database_url


def state(url: str) -> list[Any]:
    """All that a query could have changed."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found: list[Any] = sorted(sa.inspect(connection).get_table_names())
        found += connection.exec_driver_sql("SELECT * FROM feed").all()
        if url.startswith("postgresql"):
            found += connection.exec_driver_sql("SELECT last_value, is_called FROM numbers").all()
        else:
            found += connection.exec_driver_sql("PRAGMA user_version").all()
    engine.dispose()
    return found


EVERYWHERE = [
    "WITH gone AS (SELECT 1) DELETE FROM feed RETURNING id, text",
    "WITH more AS (SELECT 2 AS id) INSERT INTO feed SELECT id, 'new' FROM more RETURNING id, text",
    "WITH one AS (SELECT 1) UPDATE feed SET text = 'bad' RETURNING id, text",
    "SELECT id, text FROM feed; DROP TABLE feed",
    "SELECT id, text FROM feed; DELETE FROM feed",
]
POSTGRES = [
    "WITH gone AS (DELETE FROM feed RETURNING *) SELECT * FROM gone",
    "SELECT 1 AS id, setval('numbers', 77)::text AS text",
    "SELECT nextval('numbers') AS id, 'a' AS text",
    "SELECT sweep() AS id, 'a' AS text",
    "SELECT id, text INTO copied FROM feed",
    "SELECT id, text FROM feed FOR UPDATE",
    "SELECT 1; COMMIT; DROP TABLE feed",
    "SELECT 1; SET TRANSACTION READ WRITE; DELETE FROM feed",
    "SELECT id, set_config('transaction_read_only', 'off', true) AS text FROM feed",
    "SELECT id, text FROM feed; COPY feed TO PROGRAM 'cat'",
    "SELECT lo_create(0) AS id, 'a' AS text",
]


def read(query: str, url: str) -> list[Any]:
    return [row.values for row in open_source(query, query_url=url).rows(["id", "text"])]


@pytest.mark.parametrize("query", EVERYWHERE)
def test_query_that_writes_is_refused_and_changes_nothing(url, query):
    """Not a row, not a table; the error is one line."""
    before = state(url)

    with pytest.raises(SourceError) as error:
        read(query, url)

    assert "\n" not in str(error.value)
    assert state(url) == before


@pytest.mark.parametrize("query", POSTGRES)
def test_postgres_refuses_what_only_it_can_do(request, query):
    """Functions, sequences, locks, statements behind the first, and a way back to writing."""
    url = request.getfixturevalue("fresh_postgres_url")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE feed (id INTEGER, text TEXT)")
        connection.exec_driver_sql("INSERT INTO feed VALUES (1, 'good')")
        connection.exec_driver_sql("CREATE SEQUENCE numbers")
        connection.exec_driver_sql(
            "CREATE FUNCTION sweep() RETURNS int LANGUAGE sql AS 'DELETE FROM feed RETURNING id'"
        )
    engine.dispose()
    before = state(url)

    with pytest.raises(SourceError):
        read(query, url)

    assert state(url) == before


def test_postgres_address_without_a_driver_is_read(fresh_postgres_url):
    """As for the results: the one that is installed is taken, whichever is named."""
    for driver in ("postgresql", "postgresql+psycopg2"):
        url = sa.make_url(fresh_postgres_url).set(drivername=driver)
        address = url.render_as_string(hide_password=False)

        assert read("SELECT 1 AS id, 'a' AS text", address) == [{"id": 1, "text": "a"}]


class TestSQLite:
    """What only SQLite has."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        connection = sqlite3.connect(tmp_path / "feed.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE feed (id, text)")
        connection.execute("INSERT INTO feed VALUES (1, 'good')")
        connection.close()
        return tmp_path / "feed.db"

    def test_refusal_says_what_the_query_would_have_done(self, file):
        """By name."""
        for query, would in [
            ("WITH x AS (SELECT 1) DELETE FROM feed RETURNING id, text", "delete from feed"),
            ("SELECT load_extension('x') AS id, 1 AS text", "call load_extension"),
        ]:
            with pytest.raises(SourceError) as error:
                read(query, f"sqlite:///{file}")
            assert str(error.value) == f"a source is only read: the query would {would}"

    @pytest.mark.parametrize(
        "statement",
        [
            *("ATTACH 'DIR/other.db' AS other", "VACUUM INTO 'DIR/copy.db'", "VACUUM"),
            *("PRAGMA user_version = 5", "DROP TABLE feed", "CREATE TABLE more (id)"),
            *("REINDEX", "ALTER TABLE feed RENAME TO fed", "DELETE FROM feed"),
        ],
    )
    def test_connection_refuses_every_statement_that_writes(self, file, statement):
        """Also those that cannot be given as a source."""
        before, files = state(f"sqlite:///{file}"), _databases(file.parent)
        address = sa.make_url(f"sqlite:///{file}")

        with open_read_only(address, "") as connection:
            with suppress(sa.exc.DBAPIError):
                connection.exec_driver_sql(statement.replace("DIR", str(file.parent)))
            connection.commit()

        assert state(f"sqlite:///{file}") == before
        assert _databases(file.parent) == files

    def test_what_only_reads_is_read(self, file):
        """Recursion, table-valued functions and full-text search write nothing."""
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
        connection.execute("INSERT INTO words VALUES ('good')")
        connection.close()

        for query in (
            "WITH RECURSIVE n(id) AS (SELECT 1 UNION SELECT id + 1 FROM n WHERE id < 3)"
            " SELECT id, 'a' AS text FROM n",
            "SELECT value AS id, 'a' AS text FROM json_each('[1, 2, 3]')",
            "SELECT rowid AS id, text FROM words WHERE words MATCH 'good'",
            "SELECT cid AS id, name AS text FROM pragma_table_info('feed')",
        ):
            assert read(query, f"sqlite:///{file}")

    @pytest.mark.parametrize("address", ["sqlite:///{}", "sqlite:///file:{}?mode=rwc&uri=true"])
    def test_file_is_opened_read_only_however_it_is_addressed(self, tmp_path, address):
        """A mode in the address gives way; names may hold any character."""
        file = tmp_path / "a b%20#1.db"
        connection = sqlite3.connect(file)
        connection.execute("CREATE TABLE feed AS SELECT 1 AS id, 'good' AS text")
        connection.close()
        name = str(file) if "file:" not in address else str(file).replace("%", "%25")
        url = address.format(
            name.replace(" ", "%20").replace("#", "%23") if "file" in address else name
        )

        with open_read_only(sa.make_url(url), "") as opened:
            assert opened.exec_driver_sql("SELECT text FROM feed").scalar() == "good"
            opened.connection.driver_connection.set_authorizer(None)  # type: ignore[union-attr]
            with pytest.raises(sa.exc.OperationalError, match="readonly"):
                opened.exec_driver_sql("DELETE FROM feed")

    def test_rows_of_a_killed_writer_are_read(self, file):
        """What it had committed beside the file counts."""
        script = (
            "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "c.execute(\"INSERT INTO feed VALUES (2, 'late')\"); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", script, str(file)], check=False)

        assert len(read("SELECT * FROM feed", f"sqlite:///{file}")) == 2

    def test_half_written_file_is_told_and_left_as_it_is(self, tmp_path):
        """To put it right would be to write."""
        file = tmp_path / "half.db"
        script = (
            "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "c.execute('CREATE TABLE feed (id, text)'); c.execute('PRAGMA cache_size = 1');"
            "c.execute('BEGIN'); c.executemany('INSERT INTO feed VALUES (1, ?)',"
            " [('x' * 3000,)] * 500); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", script, str(file)], check=False)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert "half.db-journal" in before

        with pytest.raises(SourceError, match="left in the middle of a write"):
            read("SELECT id, text FROM feed", f"sqlite:///{file}")

        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_database_is_read_while_another_writes(self, file):
        """Neither waits for the other."""
        writer = sqlite3.connect(file, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO feed VALUES (2, 'late')")

        assert len(read("SELECT * FROM feed", f"sqlite:///{file}")) == 1
        writer.execute("COMMIT")
        writer.close()


def _databases(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.db"))


def test_kind_that_cannot_be_kept_from_writing_is_refused_by_name():
    """With what to do instead."""
    for url in ("mssql+pyodbc://host/db", "oracle://host/db"):
        with pytest.raises(SourceError, match=r"for (mssql|oracle) no way .* export the rows"):
            read("SELECT 1 AS id, 'a' AS text", url)
    with pytest.raises(SourceError, match="cannot be opened read-only: use sqlite:///FILE"):
        read("SELECT 1 AS id, 'a' AS text", "sqlite+aiosqlite:///a.db")
    with pytest.raises(SourceError, match="INTO a file"):
        read("SELECT id INTO OUTFILE '/tmp/x' FROM feed", "mysql+pymysql://host/db")
