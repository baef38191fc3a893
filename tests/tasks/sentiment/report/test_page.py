"""Promises of the page of a report."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.sentiment.report.drift import Comparison, compare_to_previous
from tasks.sentiment.report.page import RunReport, render_html
from tasks.sentiment.run.partitions import Outcome, PartitionResult
from tasks.sentiment.run.plan import Plan
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.run.statistics import ScoreStatistics
from tests.services.reporting.pages import Page, assert_self_contained
from tests.tasks.sentiment.small_run import Job

HOSTILE = "<script>alert(1)</script> \"'><img src=x onerror=alert(2)> \u202e {{ 7*7 }} " + "x" * 300
START = datetime(2026, 11, 22, 2, tzinfo=UTC)


def warning(text: str) -> Comparison:
    """A comparison that found something, with nothing to show beside it."""
    return Comparison(warnings=(text,))


def a_report(
    cells: Sequence[object] | None = None, count: int = 400, text: str = "fine", **changes: Any
) -> RunReport:
    """A finished run of `count` reviews; changes are those of any part of the report."""
    rng = np.random.default_rng(1)
    statistics = ScoreStatistics.of(
        [f"id {n}" for n in range(count)],
        np.round(rng.random(count), 6),
        [f"{text} {n}" for n in range(count)] if text == "fine" else [text] * count,
        cells,
    )
    run = Job(Path("/home"), Path("musical.csv"), "sqlite:///results.db").scoring_run()
    run = replace(
        run,
        folder=_change(RunFolder(Path("/home"), "musical", date(2026, 11, 22)), changes),
        request=replace(run.request, group_column=None if cells is None else "reviewTime"),
        run_id="run-1",
    )
    outcome = Outcome("finished", "run-1", count + 2, count, 0, 2, 0, 4, 4)
    plan = Plan(
        request_digest="",
        rescore=False,
        database="",
        source="musical.csv",
        fingerprint=None,
        content_digest="",
        rows_read=count + 2,
        rejected=2,
        parts=(count,),
        rejected_parts=1,
        rejected_reasons={"blank text": (2, (17, 3411))},
    )
    report = RunReport(
        run=run,
        outcome=_change(outcome, changes),
        plan=_change(plan, changes),
        precision="int8",
        why_precision="",
        seconds=4.0,
        ended_at=START,
        statistics=statistics,
        throughput=[
            PartitionResult(n, 100, 100, 0, 1.0 + n / 10, START + timedelta(seconds=n))
            for n in range(4)
        ],
        comparison=Comparison(),
        where={},
        parameters={},
    )
    return replace(report, **changes)


def _change(part: Any, changes: dict[str, Any]) -> Any:
    """Take the changes of a part out of all that are asked for."""
    mine = {field.name for field in fields(part)} & changes.keys()
    return replace(part, **{name: changes.pop(name) for name in mine})


def days(count: int) -> list[str]:
    first = date(2006, 1, 1)
    return [(first + timedelta(days=n)).isoformat() for n in range(count)]


def test_report_needs_nothing_from_outside():
    """No script, no link, no image, no address that a browser would fetch."""
    assert_self_contained(render_html(a_report(days(400))))


@pytest.mark.parametrize("place", ["text", "cells", "source", "reason", "parameter", "where"])
def test_report_escapes_hostile_words(place):
    """Whatever stands in the data is text on the page, wherever it is shown."""
    report = {
        "text": lambda: a_report(text=HOSTILE),
        "cells": lambda: a_report([HOSTILE] * 400),
        "source": lambda: a_report(source=HOSTILE),
        "reason": lambda: a_report(rejected_reasons={HOSTILE: (1, (1,))}),
        "parameter": lambda: a_report(parameters={HOSTILE: HOSTILE}),
        "where": lambda: a_report(where={HOSTILE: HOSTILE}, comparison=warning(HOSTILE)),
    }[place]()
    html = render_html(report)
    page = Page(html)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert "<script>alert(1)" in page.text
    assert "\u202e" not in html
    html.encode("utf-8")


@pytest.mark.parametrize(
    "cells",
    [
        ["only"] * 3_000,
        [str(n % 5) for n in range(3_000)],
        days(3_000),
        ["☃ 小提琴 🎻 $x_1$"] * 3_000,
    ],
    ids=["one value", "five values", "3000 days", "odd glyphs"],
)
def test_report_shows_any_group_column_without_a_warning(cells):
    """One group, five, thousands of days, glyphs that no font has: a picture each."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        html = render_html(a_report(cells, count=3_000))
    assert "Positive share" in html
    assert len(html) < 400_000


def test_report_describes_its_plots_to_who_cannot_see_them():
    """Every figure is an image with a label that holds the figures."""
    figures = [a for tag, a in Page(render_html(a_report(days(400)))).tags if tag == "figure"]
    assert len(figures) == 3
    assert all(a["role"] == "img" and re.search(r"\d", a["aria-label"]) for a in figures)


def test_report_has_no_id_twice():
    """Several plots in one page keep their clip paths apart."""
    ids = [a["id"] for _, a in Page(render_html(a_report(days(400)))).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_report_of_the_same_run_has_the_same_bytes():
    """Nothing of the moment of rendering gets in."""
    report = a_report(days(400))
    assert render_html(report) == render_html(report)


def test_report_of_no_rows_is_a_page():
    """A run without a row has a report as well."""
    empty = a_report(
        count=0,
        rows_read=0,
        rejected=0,
        throughput=(),
        rejected_reasons={},
        comparison=compare_to_previous(ScoreStatistics(), rows_read=0, rejected=0, previous=()),
    )
    assert "nothing to plot" in render_html(empty)


def test_report_of_a_stopped_run_says_what_is_left():
    """The reader learns how many reviews wait and what to do."""
    text = Page(render_html(a_report(status="stopped", rows_waiting=3_210))).text
    assert "3,210 reviews still wait" in text
    assert "Run the same command again" in text


def test_report_puts_warnings_before_all_figures():
    """A warning is read first."""
    html = render_html(a_report(comparison=warning("The kettle coughed.")))
    assert html.index("The kettle coughed.") < html.index('<dl class="tiles">')
    assert 'role="alert"' in html


@pytest.mark.parametrize(("unknown", "warned"), [(0, False), (8, False), (9, True), (400, True)])
def test_texts_without_a_known_word_are_counted_and_warned_of_above_a_share(unknown, warned):
    """Two in a hundred pass: figures, and rows of dots."""
    rows = tuple(range(1, min(unknown, 5) + 1))
    report = a_report(unknown=unknown, unknown_rows=rows)
    text = Page(render_html(report)).text

    assert (f"{unknown} of 400 texts have no word" in text) is bool(unknown)
    assert bool(report.warnings) is warned
    assert ("--reject-unknown-text" in text) is warned
    if warned:
        assert report.warnings[0].startswith(
            f"The model knows no word of {unknown / 4:.1f} % of the texts ({unknown} of 400,"
            " row 1, 2, 3, 4, 5, …)"
        )


def test_page_says_why_the_precision():
    """And says nothing where nothing was measured."""
    assert "int8 (labels of float32 on 99.6 %)" in render_html(
        a_report(why_precision="labels of float32 on 99.6 %")
    )
    assert "int8." in render_html(a_report())
