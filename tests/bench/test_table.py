"""What is shown of a run."""

import io

from rich.console import Console

from tests.bench.made import record_of, steady_row
from tests.benchmarks.bench.against import compare
from tests.benchmarks.bench.record import Record, Row, Suite
from tests.benchmarks.bench.table import describe_fall, table_of


def shown(record: Record, earlier: Record | None = None) -> list[list[str]]:
    """The cells of each line."""
    printed = io.StringIO()
    changes = compare(earlier, record) if earlier else []
    Console(file=printed, width=200).print(table_of(record, changes))
    lines = [line for line in printed.getvalue().splitlines() if line[:1] in "│┃"]
    return [[cell.strip() for cell in line[1:-1].replace("┃", "│").split("│")] for line in lines]


ROW = Row(
    what="8 connections",
    unit="answers/s",
    ours=(5_000.0, 5_400.0, 5_200.0),
    peers={"flask": (250.0, 270.0, 130.0), "litserve": (None, None, None)},
    limits={"starlette": (10_000.0, 10_800.0, 10_400.0)},
)


def test_table_has_a_line_for_each_ratio():
    """Ours beside each peer, then beside the limit, with the spread of the rounds."""
    head, *lines = shown(record_of({"fraud": Suite(rows=(ROW,))}))
    assert head == ["what", "ours", "peers", "limit", "ratio", "spread"]
    assert lines == [
        [
            "fraud: 8 connections, answers/s",
            "5,200",
            "flask 250",
            "",
            "20.00",
            "20.00 to 40.00",
        ],
        ["", "", "litserve no answer", "", "-", "-"],
        ["", "", "", "starlette 10,400", "0.50", "0.50 to 0.50"],
    ]


def test_table_says_what_was_skipped_or_broke_off():
    """With the reason as it stands, brackets and all, and a row that has nothing beside it."""
    alone = Row(what="alone", unit="MB", ours=(0.1234,))
    suites = {"fraud": Suite(skipped="no wrk"), "edge": Suite(rows=(alone,), fault="[Errno 2] no")}
    told = [line[0] for line in shown(record_of(suites))]
    assert told[1:] == [
        "fraud: skipped: no wrk",
        "edge: alone, MB",
        "edge: broke off: [Errno 2] no",
    ]


def test_table_marks_what_fell():
    """Beside what it was before."""
    before = record_of({"made": Suite(rows=(steady_row(), steady_row("frames")))})
    now = record_of({"made": Suite(rows=(steady_row(ours=79.0), steady_row("frames")))})
    head, slow, same = shown(now, before)
    assert head[-1] == "before"
    assert (slow[4], slow[-1], same[-1]) == ("1.58", "2.00 FELL", "2.00")


def test_fall_is_told_with_both_sides():
    """Whether ours is slower, or theirs quicker, can be seen."""
    before = record_of({"made": Suite(rows=(steady_row(),))})
    slower = record_of({"made": Suite(rows=(steady_row(ours=80.0),))})
    (change,) = compare(before, slower)
    assert describe_fall(change) == (
        "made: answers beside peer: the ratio fell from 2.00 (2.00 to 2.00) to 1.60 (1.60 to 1.60);"
        " ours 100 → 80, theirs 50 → 50 1/s"
    )
    (gone,) = compare(before, record_of({"made": Suite(fault="it ended with 1")}))
    assert describe_fall(gone) == (
        "made: answers beside peer: gives no figure any more, and was 2.00 times"
    )
