"""Review ids: one number is one id, whatever wrote it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, text

from tasks.sentiment.reading.raw_rows import HalfFloat, NarrowFloat
from tasks.sentiment.reading.review_id import BLANK_ID, INEXACT_ID, LONG_ID, WRONG_ID, identify
from tasks.sentiment.reading.reviews import Rejected, Review, ReviewChecker
from tasks.sentiment.reading.seen_ids import SeenIds
from tasks.sentiment.reading.source import open_source
from tests.tasks.sentiment.inputs import cells, write_bytes

FIVES = [
    *(5, 5.0, Decimal(5), Decimal("5.00"), Decimal("0.5E+1"), NarrowFloat(5), HalfFloat(5)),
    *("5", " 5\t", "5.0", "5.000", "5.", "5e+00", "5.000000e+00"),
]
AN_ID = UUID("550e8400-e29b-41d4-a716-44665544000a")


@pytest.mark.parametrize("value", FIVES, ids=repr)
def test_one_number_is_one_id_in_whatever_form(value):
    """Whole floats and decimals are whole numbers, typed or as the text that tools make of them."""
    assert identify(value) == ("5", None)


@pytest.mark.parametrize(
    ("value", "review_id"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        ("-0.0", "0"),
        ("-0", "0"),
        (-7.0, "-7"),
        ("-7.0", "-7"),
        (2.0**53 - 1, "9007199254740991"),
        ("9007199254740991.0", "9007199254740991"),
        (2**53 + 1, "9007199254740993"),
        (10**30, "1" + "0" * 30),
        (Decimal("9007199254740993.00"), "9007199254740993"),
        ("9007199254740993.00", "9007199254740993"),  # no float is written so
        (Decimal("1E+20"), "1" + "0" * 20),
        ("1e+05", "100000"),  # R
        ("1.2345678E7", "12345678"),  # Java and Spark
        ("1.5E+03", "1500"),
        (AN_ID, str(AN_ID)),
        (str(AN_ID).upper(), str(AN_ID)),
    ],
)
def test_number_is_written_as_whole_number(value, review_id):
    """No digit is added or lost, however large the number."""
    assert identify(value) == (review_id, None)


def test_what_is_not_seen_round_an_id_is_no_part_of_it():
    """Files with byte-order marks are put together, and texts are copied from pages."""
    for written in ("\ufeff21", "\ufeff 21", "21\u200b", "\u00a021\u2060 ", "\ufeff21.0"):
        assert identify(written) == ("21", None)
    assert identify("a\u200db\ufe0f") == ("a\u200db\ufe0f", None)


@pytest.mark.parametrize(
    "text",
    [
        *("007", "00005", "007.0", "1.10", "1.1", "1e3", "12E5", "1.5e3", "5.0a", "v5.0", "+5"),
        *("5,0", "1.2.0", "1.25e+01", "\u0665.0", "A-1", "R2D2", "None-7", "nan1", "\u00e4\u00df"),
    ],
)
def test_text_that_is_no_whole_number_stays_as_it_is(text):
    """Leading zeros, versions and digests are names, not numbers."""
    assert identify(text) == (text, None)


def test_numbers_that_are_not_whole_are_written_as_they_come():
    """As before: who has such ids has them from one tool."""
    assert [identify(value)[0] for value in (1.5, Decimal("1.50"), True)] == ["1.5", "1.50", "True"]


@pytest.mark.parametrize(
    "value",
    [
        2.0**53,
        -(2.0**53),
        1.2345678901234568e19,
        "9007199254740992.0",
        "1.2345678901234568e+19",
        "1e+16",
        "1.0E16",
        "1.23457E+15",  # twelve digits and more in a spreadsheet
        "1E+11",
        "1.23457e+06",  # %g
        NarrowFloat(2**24),
        HalfFloat(2**11),
    ],
)
def test_float_that_may_have_lost_digits_is_refused_by_name(value):
    """It would stand for several reviews."""
    assert identify(value) == (None, INEXACT_ID)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, BLANK_ID),
        (float("nan"), BLANK_ID),
        (Decimal("NaN"), BLANK_ID),
        (Decimal("sNaN"), BLANK_ID),
        (" \u200b\ufeff", BLANK_ID),
        ("nan", BLANK_ID),
        ("NULL", BLANK_ID),
        ("\\N", BLANK_ID),
        (float("inf"), WRONG_ID),
        (Decimal("-Infinity"), WRONG_ID),
        ([5], WRONG_ID),
        (Decimal("1E+1000000"), LONG_ID),
        ("5." + "0" * 600, LONG_ID),
    ],
)
def test_what_is_no_id_says_why(value, fault):
    """Missing is blank, in whatever word; and no number takes the process down."""
    assert identify(value) == (None, fault)


def test_word_for_missing_is_an_id_for_whoever_means_it():
    """As with texts."""
    assert identify("NULL", keep_null_words=True) == ("NULL", None)


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[SeenIds]:
    with SeenIds(tmp_path / "seen") as seen:
        yield seen


def test_five_and_five_point_nought_in_one_file_are_one_review(seen):
    """The second is a duplicate of the first."""
    checker = ReviewChecker(seen, text_column="text", id_column="id")
    rows = [{"id": id_, "text": "fine"} for id_ in ("5", 5.0, "5.00", "05")]

    found = [checker.check(_row(number, row)) for number, row in enumerate(rows, start=1)]

    assert [row.reason if isinstance(row, Rejected) else row.review_id for row in found] == [
        *("5", "duplicate id", "duplicate id", "05")
    ]
    assert found[1].review_id == "5"


def _row(number, values):
    from tasks.sentiment.reading.raw_rows import RawRow

    return RawRow(number, "a.csv", values, None)


PARQUET_TYPES = [
    *(pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.string()),
    *(pa.decimal128(30, 2), pa.decimal128(20, 0), pa.dictionary(pa.int32(), pa.int64())),
]


@pytest.fixture(params=["csv", "pandas", "jsonl", "json floats", "sql", *map(str, PARQUET_TYPES)])
def feed(request, tmp_path):
    """Two reviews with the ids 5 and 16, in one of the formats."""
    if request.param in ("csv", "pandas"):
        point = ".0" if request.param == "pandas" else ""
        content = f"id,text\n5{point},good\n16{point},bad\n"
        return open_source(str(write_bytes(tmp_path / "a.csv", content.encode())))
    if "json" in request.param:
        point = ".0" if "floats" in request.param else ""
        content = f'{{"id": 5{point}, "text": "good"}}\n{{"id": 16{point}, "text": "bad"}}\n'
        return open_source(str(write_bytes(tmp_path / "a.jsonl", content.encode())))
    if request.param == "sql":
        url = f"sqlite:///{tmp_path}/a.db"
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE feed (id REAL, text TEXT)"))
            connection.execute(text("INSERT INTO feed VALUES (5, 'good'), (16, 'bad')"))
        engine.dispose()
        return open_source("SELECT * FROM feed", query_url=url)
    kind = next(kind for kind in PARQUET_TYPES if str(kind) == request.param)
    ids = pa.array(["5.0", "16.0"] if kind == pa.string() else [5, 16])
    ids = ids.dictionary_encode() if pa.types.is_dictionary(kind) else ids.cast(kind)
    pq.write_table(pa.table({"id": ids, "text": ["good", "bad"]}), tmp_path / "a.parquet")
    return open_source(str(tmp_path / "a.parquet"))


def test_id_is_the_same_in_every_format(feed, seen):
    """CSV, JSON Lines, SQL and every number type of Parquet."""
    checker = ReviewChecker(seen, text_column="text", id_column="id")

    assert [checker.check(row).review_id for row in feed.rows(checker.columns)] == ["5", "16"]


def test_floats_of_less_precision_are_refused_sooner(tmp_path, seen):
    """In single precision 16,777,216 and 16,777,217 are one number; carried values stay floats."""
    ids = pa.array([16777215.0, 16777216.0], pa.float32())
    pq.write_table(pa.table({"id": ids, "text": ["good", "bad"]}), tmp_path / "a.parquet")
    checker = ReviewChecker(seen, text_column="text", id_column="id", carry=["id"])

    found = [checker.check(row) for row in open_source(str(tmp_path)).rows(checker.columns)]

    first, second = found
    assert isinstance(first, Review)
    assert (first.review_id, first.carried) == ("16777215", (16777215.0,))
    assert pa.array(first.carried, pa.float32()).to_pylist() == [16777215.0]
    assert isinstance(second, Rejected)
    assert second.reason == INEXACT_ID


def test_real_of_postgres_is_known_to_be_of_single_precision(fresh_postgres_url):
    """Its driver gives a plain float, and the result says what it was."""
    query = (
        "SELECT id::float4 AS id, id::float8 AS wide, 'good' AS text"
        " FROM unnest(ARRAY[5, 16777217]) AS id ORDER BY id"
    )
    rows = cells(list(open_source(query, query_url=fresh_postgres_url).rows(["id", "wide"])))

    assert [[identify(cell) for cell in row or ()] for row in rows] == [
        [("5", None), ("5", None)],
        [(None, INEXACT_ID), ("16777217", None)],
    ]
