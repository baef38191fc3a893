"""Rows of a SQL query."""

import sqlite3

import pytest
from sqlalchemy import create_engine, text

from tasks.sentiment.errors import SourceError
from tasks.sentiment.reading.recognition.dialect import TextFormat
from tasks.sentiment.reading.reviews import Rejected, Review, ReviewChecker
from tasks.sentiment.reading.seen_ids import SeenIds
from tasks.sentiment.reading.source import QuerySource, open_source
from tests.tasks.sentiment.inputs import COLUMNS, ROWS, cells, read, write_csv


class TestQuery:
    """A SQL query as the input."""

    @pytest.fixture
    def url(self, tmp_path):
        """A SQLite database with the rows in it."""
        address = f"sqlite:///{tmp_path}/feed.db"
        engine = create_engine(address)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE feed (id TEXT, text TEXT)"))
            connection.execute(
                text("INSERT INTO feed VALUES (:id, :text)"),
                [dict(zip(COLUMNS, row, strict=True)) for row in ROWS],
            )
        engine.dispose()
        return address

    def test_query_is_read_like_a_file(self, url):
        """Rows in the order of the result; no fingerprint; colons and percent signs are its own."""
        query = "  select id, text, ':a%s' as odd FROM feed WHERE id LIKE 'a%' ORDER BY id"
        source = open_source(query, query_url=url)

        rows = list(source.rows(["text", "odd"]))

        assert cells(rows) == [(row[1], ":a%s") for row in ROWS]
        assert {row.file for row in rows} == {"query"}
        assert source.fingerprint() is None
        assert source.name.startswith("query-")
        assert len(source.name) == 14

    def test_query_with_a_common_table_expression_is_a_query(self, url):
        """WITH begins a query as well."""
        query = "WITH few AS (SELECT * FROM feed LIMIT 1)\nSELECT * FROM few"

        assert len(list(open_source(query, query_url=url).rows(COLUMNS))) == 1

    def test_query_without_the_column_is_refused_before_the_first_row(self, url):
        """As with files, the columns there are are named."""
        with pytest.raises(SourceError, match=r"the query has no column text; .* are: id"):
            open_source("SELECT id FROM feed", query_url=url).rows(["text"])

    def test_refusal_names_the_database_and_what_names_another(self, tmp_path, url):
        """Without a variable it is that of the results, which has no such table."""
        with pytest.raises(SourceError) as refused:
            list(open_source("SELECT * FROM fed", query_url=f"{url}?timeout=9").rows(["text"]))

        asked = (
            f"(asked was sqlite:///{tmp_path}/feed.db; TRIPTYCH_SOURCE_DATABASE_URL names another)"
        )
        assert str(refused.value).endswith(asked)

    @pytest.mark.parametrize(
        ("query", "says"),
        [
            ("SELECT * FROM fed", "refuses the query: no such table: fed"),
            ("SELECT id, id FROM feed", "more than one column id"),
        ],
    )
    def test_query_that_cannot_be_run_is_an_error_of_one_line(self, url, query, says):
        """What the database says is passed on without the statement."""
        with pytest.raises(SourceError, match=says) as error:
            open_source(query, query_url=url).rows(["id"])

        assert "\n" not in str(error.value)

    def test_query_needs_a_database_that_exists(self, tmp_path):
        """No address, no file and no driver are errors; no empty database is left behind."""
        with pytest.raises(SourceError, match="needs the address"):
            open_source("SELECT 1")
        for url in (f"sqlite:///{tmp_path}/none.db", "nosuch://host/db", "no address"):
            with pytest.raises(SourceError):
                open_source("SELECT 1", query_url=url).rows(["1"])
        assert not (tmp_path / "none.db").exists()

    def test_wrong_encoding_in_a_query_stays_in_its_row(self, url):
        """SQLite keeps text that is no UTF-8; it fails alone."""
        query = "SELECT 'ok' AS text UNION ALL SELECT CAST(x'66fc72' AS TEXT)"

        assert cells(list(open_source(query, query_url=url).rows(["text"]))) == [
            ("ok",),
            ("f\udcfcr",),
        ]


def test_reference_that_begins_like_a_query_may_be_a_file(tmp_path):
    """Only SELECT or WITH and white space make a query."""
    assert len(read(write_csv(tmp_path / "select.csv"))) == len(ROWS)
    with pytest.raises(SourceError, match="does not exist"):
        open_source("with-love.csv")


@pytest.mark.parametrize(
    "query",
    [
        "-- last night's\nSELECT 'a' AS text",
        "--x\n-- y\n\n  select 'a' AS text",
        "/* of the shop */ SELECT 'a' AS text",
        "/* two\nlines */\n-- and one\nWITH t AS (SELECT 'a' AS text) SELECT text FROM t",
        "SELECT(SELECT 'a') AS text",
        "SELECT/* c */'a' AS text",
        "WITH t(text) AS (VALUES ('a')) SELECT text FROM t",
    ],
)
def test_query_may_begin_with_comments(tmp_path, query):
    """It is run as it is, and gives its rows."""
    sqlite3.connect(tmp_path / "shop.db").close()
    source = open_source(query, query_url=f"sqlite:///{tmp_path}/shop.db")

    assert cells(list(source.rows(["text"]))) == [("a",)]


@pytest.mark.parametrize(
    "query", ["(SELECT 1)", "( -- c\n SELECT 1)", "VALUES (1)", "TABLE reviews"]
)
def test_query_in_brackets_or_of_another_form_goes_to_the_database(tmp_path, query):
    """What that database does not know, it says itself; it is not taken for a file."""
    sqlite3.connect(tmp_path / "shop.db").close()
    source = open_source(query, query_url=f"sqlite:///{tmp_path}/shop.db")

    assert isinstance(source, QuerySource)
    if not query.startswith("VALUES"):
        with pytest.raises(SourceError, match="the database refuses the query"):
            source.rows(["a"])


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("DELETE FROM reviews", "the statement DELETE"),
        ("-- c\nupdate reviews set text = ''", "the statement UPDATE"),
        ("/* c */ INSERT INTO t SELECT 1", "the statement INSERT"),
        ("PRAGMA table_info(t)", "the statement PRAGMA"),
        ("-- nothing else", "a comment without a query"),
        ("update reviews.csv", "update reviews.csv does not exist"),
        ("(old) reviews.csv", r"\(old\) reviews.csv does not exist"),
        ("with reviews.csv.", "needs the address"),
    ],
)
def test_sql_that_is_no_query_is_refused_by_name(reference, says):
    """And a file that is missing is called a missing file."""
    with pytest.raises(SourceError, match=says):
        open_source(reference)


@pytest.mark.parametrize("name", ["table reviews.csv", "with love.csv", "values (1).csv"])
def test_file_that_is_called_like_a_query_is_read(tmp_path, monkeypatch, name):
    """What exists is meant."""
    write_csv(tmp_path / name)
    monkeypatch.chdir(tmp_path)

    assert len(read(name)) == len(ROWS)


def test_binary_text_is_read_as_that_of_parquet(tmp_path):
    """Valid UTF-8 is text, in whatever column; the rest fails alone, as what it is."""
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE reviews (id, text BLOB)")
        shop.executemany(
            "INSERT INTO reviews VALUES (?, ?)",
            [(b"r1", "très bien".encode()), ("r2", b"f\xfcr"), ("r3", "plain")],
        )
    shop.close()
    source = open_source("SELECT * FROM reviews", query_url=f"sqlite:///{tmp_path}/shop.db")
    with SeenIds(tmp_path) as seen:
        checker = ReviewChecker(seen, text_column="text", id_column="id")
        checked = [checker.check(row) for row in source.rows(["id", "text"])]

    assert [(row.review_id, row.text) for row in checked if isinstance(row, Review)] == [
        ("r1", "très bien"),
        ("r3", "plain"),
    ]
    assert [(r.review_id, r.reason) for r in checked if isinstance(r, Rejected)] == [
        ("r2", "not valid UTF-8")
    ]


def test_options_of_csv_are_refused_for_a_query():
    """They would change nothing, which nobody would notice."""
    with pytest.raises(SourceError, match="a query, where --columns and --decimal-comma would"):
        open_source(
            "SELECT 1",
            TextFormat(columns=("a",), decimal_comma=("a",)),
            query_url="sqlite://",
        )
