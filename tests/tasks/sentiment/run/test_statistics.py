"""Promises of the statistics that are merged part by part."""

import json
import random
from dataclasses import asdict
from datetime import date, datetime
from functools import reduce
from typing import Any

import numpy as np
import pytest

from tasks.sentiment.run import groups
from tasks.sentiment.run.groups import NONE, OTHER, day_of
from tasks.sentiment.run.statistics import ScoreStatistics


def rows(count: int, seed: int = 0) -> tuple[Any, ...]:
    """Ids, probabilities with many ties, texts with repeats, and days."""
    rng = np.random.default_rng(seed)
    ids = [f"r{n}" for n in range(count)]
    probabilities = np.round(rng.beta(0.4, 0.4, count), 1)
    texts = [f"text {n}" for n in rng.integers(0, count // 3 + 1, count)]
    cells = [f"2014-{1 + n % 12:02d}-{1 + n % 28:02d}" for n in rng.integers(0, 400, count)]
    return ids, probabilities, texts, cells


def in_parts(columns: tuple[Any, ...], size: int) -> list[ScoreStatistics]:
    count = len(columns[0])
    return [ScoreStatistics.of(*(c[i : i + size] for c in columns)) for i in range(0, count, size)]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_statistics_merged_in_any_order_equal_the_whole(order):
    """Order and grouping of the parts leave no trace, ties and repeated texts included."""
    columns = rows(3_000)
    parts = in_parts(columns, 130)
    random.Random(order).shuffle(parts)
    while len(parts) > 1:
        pair = parts[: order + 1]
        parts = [*parts[order + 1 :], reduce(ScoreStatistics.merge, pair)]
    assert parts[0] == ScoreStatistics.of(*columns)


def test_statistics_come_back_from_json():
    """A marker file holds them without loss, hostile characters included."""
    statistics = ScoreStatistics.of(
        ["a\ud800", "b"], np.array([0.1, 0.9]), ["\x00 \ud83d lone", "😀 \u202e"], ["<x>", None]
    )
    text = json.dumps(asdict(statistics))
    assert ScoreStatistics.from_json(json.loads(text)) == statistics
    text.encode("utf-8")
    statistics.most_negative[0].text.encode("utf-8")


@pytest.mark.parametrize("document", [{}, {"rows": 1}, {"histogram": None}])
def test_statistics_refuse_another_document(document):
    """What is not a part's statistics is a ValueError, not a surprise later."""
    with pytest.raises(ValueError, match="not the statistics"):
        ScoreStatistics.from_json(document)


def test_statistics_of_nothing_change_nothing():
    """The empty value is the start of every sum."""
    statistics = ScoreStatistics.of(*rows(50))
    assert ScoreStatistics().merge(statistics) == statistics
    assert ScoreStatistics.of([], np.array([]), []) == ScoreStatistics()
    assert ScoreStatistics().positive_share is None


@pytest.mark.parametrize("wrong", [1.01, -0.01, float("nan")])
def test_statistics_refuse_what_is_no_probability(wrong):
    """A NaN would otherwise vanish into a bin."""
    with pytest.raises(ValueError, match="probability"):
        ScoreStatistics.of(["a"], np.array([wrong]), ["t"])


def test_statistics_refuse_columns_of_different_lengths():
    """Columns that do not belong together are not counted."""
    with pytest.raises(ValueError, match="lengths"):
        ScoreStatistics.of(["a"], np.array([0.5, 0.6]), ["t", "u"])


def test_statistics_histogram_counts_every_row_once():
    """Both ends and the middle have a bin; one half is positive."""
    statistics = ScoreStatistics.of(list("abcd"), np.array([0.0, 0.5, 0.999999, 1.0]), list("wxyz"))
    assert statistics.positive == 3
    assert (statistics.histogram[0], statistics.histogram[10], statistics.histogram[19]) == (
        1,
        1,
        2,
    )


def test_statistics_examples_are_ten_distinct_texts():
    """A text that was posted a hundred times is shown once, with its first id."""
    count = 300
    ids = [f"r{n:03d}" for n in range(count)]
    texts = ["same"] * 100 + [f"text {n:03d}" for n in range(100, count)]
    probabilities = np.full(count, 0.25)
    statistics = ScoreStatistics.of(ids, probabilities, texts)
    assert [e.text for e in statistics.most_negative][:2] == ["same", "text 100"]
    assert statistics.most_negative[0].review_id == "r000"
    assert len({e.text for e in statistics.most_negative}) == 10


def test_statistics_examples_are_excerpts():
    """A review of ten megabytes costs 300 characters."""
    statistics = ScoreStatistics.of(["a"], np.array([0.5]), ["word " * 2_000_000])
    assert len(statistics.most_positive[0].text) <= 300
    assert statistics.most_positive[0].text.endswith("…")


def test_groups_stay_bounded_and_equal_in_any_order():
    """More values than the bound: the kept ones are exact, the others are together."""
    count = 3 * groups.MAX_VALUES
    cells = [f"product {n % (2 * groups.MAX_VALUES)}" for n in range(count)]
    columns = [str(n) for n in range(count)], np.full(count, 0.75), ["t"] * count, cells
    parts = in_parts(columns, 1_000)
    forward = reduce(ScoreStatistics.merge, parts)
    backward = reduce(ScoreStatistics.merge, reversed(parts))
    assert forward == backward == ScoreStatistics.of(*columns)
    assert len(forward.groups.tally) == groups.MAX_VALUES + 1
    assert sum(rows for rows, _ in forward.groups.tally.values()) == count
    kept = next(name for name in forward.groups.tally if name != OTHER)
    assert forward.groups.tally[kept][0] == cells.count(kept)


def test_groups_of_days_keep_the_newest(monkeypatch):
    """When there are too many days, the old ones are together."""
    monkeypatch.setattr(groups, "MAX_DAYS", 2)
    cells = ["2014-01-01", "2014-01-03", "2014-01-02", ""]
    statistics = ScoreStatistics.of(list("abcd"), np.full(4, 0.9), list("wxyz"), cells)
    assert statistics.groups.tally == {
        "2014-01-02": (1, 1),
        "2014-01-03": (1, 1),
        NONE: (1, 1),
        OTHER: (1, 1),
    }


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2014-02-28", "2014-02-28"),
        ("2014-02-28T23:59:59+09:00", "2014-02-28"),
        ("2014-02-28 10:00:00.123 UTC", "2014-02-28"),
        ("02 28, 2014", "2014-02-28"),
        ("09 1, 2013", "2013-09-01"),
        ("1393545600", "2014-02-28"),
        ("1393545600000", "2014-02-28"),
        ("1393545600.0", "2014-02-28"),
        ("2014-02-30", None),
        ("9999-12-31", None),
        ("0594451647", None),
        ("5.0", None),
        ("B0002E1G5C", None),
        ("2014-02-28 was a good day", None),
    ],
)
def test_day_of_reads_dates_and_nothing_else(cell, day):
    """Review files write days in these forms; a product number is none of them."""
    assert day_of(cell) == day


def test_groups_of_typed_cells_are_days():
    """Parquet and SQL give dates and timestamps, not text; empty cells do not count against."""
    cells = [date(2014, 2, 28), datetime(2014, 2, 28, 10), np.datetime64("2014-02-28"), None]
    statistics = ScoreStatistics.of(list("abcd"), np.full(4, 0.1), list("wxyz"), cells)
    assert statistics.groups.tally == {"2014-02-28": (3, 0), NONE: (1, 0)}


def test_groups_with_a_few_digits_among_codes_are_not_days():
    """Product numbers of ten digits could be Unix seconds; the column as a whole decides."""
    cells = ["1384719342", "B00004Y2UT", "B00005ML71"]
    statistics = ScoreStatistics.of(list("abc"), np.full(3, 0.1), list("xyz"), cells)
    assert set(statistics.groups.tally) == set(cells)
