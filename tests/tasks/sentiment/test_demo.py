"""The demo's own reviews: as messy as a real feed, with dirt that a reader must survive."""

import csv
import io
import re
from collections import Counter
from pathlib import Path

import pytest

import tasks.sentiment

DEMO = Path(tasks.sentiment.__file__).parent / "demo" / "reviews.csv"
HEADER = ["review_id", "product", "stars", "written_on", "review"]
BLANK = re.compile(r"(?:\s|&nbsp;|<br />)*")


@pytest.fixture(scope="module")
def content() -> bytes:
    return DEMO.read_bytes()


@pytest.fixture(scope="module")
def records(content: bytes) -> list[list[str]]:
    """All records, without the line whose quote is left open: it would swallow the next ones."""
    lines = content.decode("utf-8", "replace").splitlines(keepends=True)
    sound = "".join(line for line in lines if not _left_open(line))
    header, *rows = csv.reader(io.StringIO(sound, newline=""), strict=True)
    assert header == HEADER
    return rows


@pytest.fixture(scope="module")
def texts(records: list[list[str]]) -> list[str]:
    return [row[4] for row in records if len(row) == 5 and not BLANK.fullmatch(row[4])]


def _left_open(line: str) -> bool:
    return ',"The box says silent.' in line


def test_demo_is_of_a_size_that_a_repository_can_carry(content):
    """Under 400 KB, and every record ends as spreadsheet exports do."""
    assert len(content) < 400_000
    assert content.startswith(",".join(HEADER).encode() + b"\r\n")
    assert content.endswith(b"\r\n")


def test_demo_holds_a_shops_worth_of_reviews(records, texts):
    """At least 560 rows with text, of a few dozen products, over six weeks."""
    rows = [row for row in records if len(row) == 5]
    assert len(texts) >= 560
    assert len({row[1] for row in rows}) >= 36
    assert min(row[3] for row in rows) >= "2026-10-10"
    assert max(row[3] for row in rows) <= "2026-11-21"
    stars = Counter(row[2] for row in rows)
    assert set(stars) == set("12345")
    assert 0.68 < (stars["4"] + stars["5"]) / len(rows) < 0.78


def test_demo_texts_are_of_all_lengths(texts):
    """From one word to 300 and more."""
    lengths = [len(text.split()) for text in texts]
    assert lengths.count(1) >= 10
    assert sum(length >= 180 for length in lengths) >= 15
    assert max(lengths) >= 300


def test_demo_texts_are_messy(texts):
    """Entities, mark-up, several lines, quotes, shouting, emoji, repeated texts."""
    assert sum(bool(re.search(r"&#?\w+;|<br />", text)) for text in texts) >= 15
    assert sum("\n" in text for text in texts) >= 15
    assert sum('"' in text for text in texts) >= 15
    assert sum(bool(re.search(r"[A-Z]{4}", text)) for text in texts) >= 15
    assert sum(any(ord(letter) > 0x25FF for letter in text) for text in texts) >= 8
    assert len(texts) - len(set(texts)) >= 12


def test_demo_holds_each_kind_of_dirt(content, records):
    """Twelve rows to be rejected: a demo without any would not show that they are counted."""
    assert content.count(b"\0") == 1
    assert content.decode("utf-8", "replace").count("\ufffd") == 1
    assert sum(_left_open(line) for line in content.decode("utf-8", "replace").splitlines()) == 1
    assert [len(row) for row in records if len(row) != 5] == [8]
    assert sum(bool(BLANK.fullmatch(row[4])) for row in records if len(row) == 5) == 6
    assert len(records) - len({row[0] for row in records}) == 2
