"""Checked reviews: which rows pass, and why the others do not."""

import datetime
import decimal
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tasks.sentiment.reading.raw_rows import RawRow
from tasks.sentiment.reading.reviews import Rejected, Review, ReviewChecker
from tasks.sentiment.reading.seen_ids import SeenIds
from tasks.sentiment.reading.source import open_source
from tasks.sentiment.text import text_digest


def check(*rows: Any, **columns: Any) -> list[Any]:
    """Decide about rows given as dictionaries, numbered from 1, of a file a.csv."""
    numbered = enumerate(rows, start=1)
    with TemporaryDirectory() as folder, SeenIds(Path(folder)) as seen:
        checker = ReviewChecker(seen, text_column="text", **columns)
        return [checker.check(RawRow(number, "a.csv", values, None)) for number, values in numbered]


def test_checker_passes_a_clean_review():
    """The text is cleaned, the id trimmed, the carried columns come in the order asked for."""
    row = {"text": " Great<br>&amp; cheap ", "id": " 7 ", "day": "Mon", "stars": 5}

    (review,) = check(row, id_column="id", carry=["stars", "day"])

    digest = text_digest("Great & cheap")
    assert review == Review(1, "a.csv", "7", "Great & cheap", digest, (5, "Mon"))


def test_checker_names_the_columns_it_needs(tmp_path):
    """Each column once, although two may have the same role."""
    checker = ReviewChecker(SeenIds(tmp_path), text_column="t", id_column="i", carry=["t", "c"])

    assert checker.columns == ["t", "i", "c"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"text": None}, "blank text"),
        ({"text": ""}, "blank text"),
        ({"text": " \t\n\u00a0"}, "blank text"),
        ({"text": "<br/>&nbsp;"}, "blank text"),
        ({"text": 5}, "text is not a string"),
        ({"text": float("nan")}, "blank text"),
        ({"text": b"bytes"}, "text is not a string"),
        ({"text": "f\udcfcr"}, "not valid UTF-8"),
        ({"text": "a\0b"}, "NUL byte"),
        ({"text": "x" * 1_000_001}, "text longer than 1,000,000 characters"),
        ({"id": None}, "blank id"),
        ({"id": "  "}, "blank id"),
        ({"id": float("nan")}, "blank id"),
        ({"id": ["7"]}, "id is not a string or number"),
        ({"id": "x" * 501}, "id longer than 500 characters"),
        ({"id": "\ud800"}, "not valid UTF-8"),
        ({"id": "7\0"}, "NUL byte"),
        ({"extra": "f\udcfcr"}, "not valid UTF-8"),
        ({"extra": "\0"}, "NUL byte"),
        ({"extra": [{"deep": "\0"}]}, "NUL byte"),
        ({"extra": "x" * 1_000_001}, "carried value longer than 1,000,000 characters"),
    ],
)
def test_checker_rejects_with_a_fixed_reason(values, reason):
    """Each kind of bad row has one wording, whatever is in the row."""
    row = {"text": "fine", "id": "7", "extra": None} | values

    (rejected,) = check(row, id_column="id", carry=["extra"])

    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.row_number, rejected.file) == (reason, 1, "a.csv")


def test_checker_passes_on_a_fault_of_parsing(tmp_path):
    """What could not be parsed keeps its fault as the reason and its beginning as the excerpt."""
    checker = ReviewChecker(SeenIds(tmp_path), text_column="text")

    assert checker.check(RawRow(3, "a.csv", None, "not valid JSON", '{"a')) == Rejected(
        3, "a.csv", None, "not valid JSON", '{"a'
    )


def test_rejected_row_can_be_stored_anywhere():
    """Excerpt and id are short, printable and free of NUL and surrogates."""
    bad = "a\0b\udcfc\nc\x1b" + "x" * 5_000

    (rejected,) = check({"text": bad, "id": bad}, id_column="id")

    for shown in (rejected.excerpt, rejected.review_id):
        assert shown.startswith("a\ufffdb\ufffd c\ufffdxxx")
        assert len(shown) == 200
        assert shown.isprintable()


def test_text_at_the_limit_passes():
    """The limit itself is allowed."""
    assert isinstance(check({"text": "x" * 1_000_000})[0], Review)


@pytest.mark.parametrize(
    ("value", "review_id"),
    [
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("\u00e4\u00df", "\u00e4\u00df"),
    ],
)
def test_id_becomes_text(value, review_id):
    """Whole numbers as such, others as Python writes them."""
    assert check({"text": "fine", "id": value}, id_column="id")[0].review_id == review_id


def test_carried_values_keep_their_types():
    """What is carried is not touched."""
    day = datetime.date(2026, 11, 22)

    assert check({"text": "fine", "day": day}, carry=["day"])[0].carried == (day,)


def test_text_without_a_known_word_is_marked_or_rejected_on_demand():
    """Its id is not taken then, and a text that is blank stays blank."""
    rows = ({"text": "хорошо", "id": "1"}, {"text": "good", "id": "1"}, {"text": " ", "id": "2"})

    marked = check(*rows, id_column="id", knows=str.isascii)
    rejected = check(*rows, id_column="id", knows=str.isascii, reject_unknown=True)

    assert not marked[0].is_known
    assert marked[1].reason == "duplicate id"
    assert rejected[0].reason == "no word that the model knows"
    assert (rejected[0].review_id, rejected[0].excerpt) == ("1", "хорошо")
    assert rejected[1].is_known
    assert marked[2].reason == rejected[2].reason == "blank text"


def test_duplicate_id_is_rejected_and_says_where_it_was_first():
    """The first review keeps the id; a rejected row takes none."""
    found = check(
        {"text": "", "id": "1"},
        {"text": "first", "id": "1"},
        {"text": "second", "id": " 1"},
        {"text": "third", "id": 1},
        id_column="id",
    )

    assert [row.reason if isinstance(row, Rejected) else row.text for row in found] == [
        "blank text",
        "first",
        "duplicate id",
        "duplicate id",
    ]
    assert found[2].excerpt == "first seen in row 2: second"


def test_duplicate_id_in_another_file_names_that_file(tmp_path):
    """Row numbers begin anew in every file; ids do not."""
    (tmp_path / "a.csv").write_text("id,text\n1,good\n2,fine\n")
    (tmp_path / "b.csv").write_text("id,text\n3,bad\n2,worse\n")

    with SeenIds(tmp_path / "scratch") as seen:
        checker = ReviewChecker(seen, text_column="text", id_column="id")
        found = [checker.check(row) for row in open_source(str(tmp_path)).rows(checker.columns)]

    assert [isinstance(row, Review) for row in found] == [True, True, True, False]
    assert found[3] == Rejected(
        2, "b.csv", "2", "duplicate id", "first seen in row 2 of a.csv: worse"
    )


def test_without_an_id_column_ids_come_from_the_text():
    """Equal texts are told apart by their occurrence, so that appending keeps earlier ids."""
    rows = [{"text": text} for text in ("good", "bad", " good ", "", "good")]

    ids = [row.review_id for row in check(*rows)]

    good, bad = text_digest("good")[:24], text_digest("bad")[:24]
    assert ids == [f"{good}-1", f"{bad}-1", f"{good}-2", None, f"{good}-3"]
    assert [row.review_id for row in check(*rows, {"text": "more"})][:5] == ids


def test_ids_from_texts_are_those_of_earlier_versions():
    """Which took more for mark-up and less for white space; what is scored is cleaned as today."""
    texts = {
        r"Great.\nBuy it": ("0644ac5707a1ceab834962c4-1", "Great. Buy it"),
        "I love it": ("46e89f75dec156c07a868570-1", "I love it"),
        "I <really> love it": ("46e89f75dec156c07a868570-2", "I <really> love it"),
        "ok <MyBrand 3000> fine": ("56aef8e703766b2b9ab8659b-1", "ok <MyBrand 3000> fine"),
        r"Good\n2 stars less": ("4933ecb296a07ea7f0f706c7-1", "Good 2 stars less"),
        "Good<br>value &amp; cheap": ("766563e26ef2ade92e5ffc24-1", "Good value & cheap"),
        "&lt;not&gt; bad": ("2f05d4b689d270cafb02285f-1", "<not> bad"),
        "bad": ("2f05d4b689d270cafb02285f-2", "bad"),
    }

    found = check(*({"text": text} for text in texts))

    assert [(row.review_id, row.text) for row in found] == list(texts.values())
    assert [row.text_digest for row in found] == [text_digest(row.text) for row in found]


def test_text_wholly_in_angle_brackets_is_known_by_what_is_scored():
    """Earlier versions saw no text in it; two such texts are not two occurrences of one."""
    found = check({"text": "<I love it>"}, {"text": "<I hate it>"}, {"text": "<no> n/a"})

    ids = [f"{text_digest(row.text)[:24]}-1" for row in found]
    assert [row.review_id for row in found] == ids
    assert len(set(ids)) == 3


def test_half_an_emoji_is_replaced_and_a_byte_that_is_no_text_is_not():
    """JSON can write the half; a text that was cut is still a text."""
    found = check({"text": "Great \ud83d"}, {"text": "caf\udce9"}, {"text": float("nan")})

    assert isinstance(found[0], Review) and found[0].text == "Great \ufffd"
    assert [row.reason for row in found[1:] if isinstance(row, Rejected)] == [
        "not valid UTF-8",
        "blank text",
    ]
