"""Promises of the short forms of a report."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from services.reporting.markdown import escape
from tasks.sentiment.report.drift import compare_to_previous
from tasks.sentiment.report.page import RunReport
from tasks.sentiment.report.summary import (
    render_markdown,
    render_table,
    render_terminal,
)
from tests.tasks.sentiment.report.test_drift import run_of
from tests.tasks.sentiment.report.test_page import a_report

HOSTILE = "a | b\nc `d` [link](javascript:alert(1)) <b>x</b> [red]y[/red] ![i](http://evil.example)"


def compared_report(**changes: Any) -> RunReport:
    report = a_report(**changes)
    previous = replace(
        run_of(report.statistics, rejected=2, run_id="run-0"),
        positive_share=0.9,
        histogram=list(report.statistics.histogram[::-1]),
    )
    comparison = compare_to_previous(
        report.statistics, rows_read=402, rejected=2, previous=[previous]
    )
    return a_report(comparison=comparison, **changes)


def on_terminal(report: RunReport) -> str:
    printed = io.StringIO()
    console = Console(file=printed, width=200, color_system=None)
    console.print(render_terminal(report))
    return printed.getvalue()


@pytest.mark.parametrize("place", ["text", "cells", "reasons", "where"])
def test_markdown_tables_keep_their_columns(place):
    """No cell of the data ends a cell of the table."""
    report = {
        "text": lambda: a_report(text=HOSTILE),
        "cells": lambda: a_report([HOSTILE] * 400),
        "reasons": lambda: a_report(rejected_reasons={HOSTILE: (1, (1,))}),
        "where": lambda: a_report(where={HOSTILE: HOSTILE}),
    }[place]()
    widths: list[set[int]] = [set()]
    for line in render_markdown(report).splitlines():
        if line.startswith("|"):
            widths[-1].add(line.replace("\\|", "").count("|"))
        else:
            widths.append(set())
    assert all(len(width) <= 1 for width in widths)


def test_rows_without_their_last_cells_are_counted():
    """Where there are any: they are whole, and a column that all lack is seen."""
    read_as = {"CSV (delimiter ;)": 1}
    shown = "CSV (delimiter ;); 1 row without the last cells"

    assert shown in on_terminal(a_report(read_as=read_as, short_rows=1))
    assert "1,200 rows without the last cells" in on_terminal(
        a_report(read_as=read_as, short_rows=1_200)
    )
    assert "last cells" not in on_terminal(a_report(read_as=read_as))


def test_how_files_were_read_is_shown():
    """The commonest way first, and of many no more than can be read."""
    read_as = {"Parquet": 1, "CSV (delimiter ;)": 3, **{f"way {n}": 1 for n in range(9)}}
    shown = "3 x CSV (delimiter ;); Parquet; way 0; way 1; …"

    assert f"\nread as   {shown}\n" in on_terminal(a_report(read_as=read_as))
    assert escape(shown) in render_markdown(a_report(read_as=read_as))


def test_markdown_is_unindented():
    """Indented lines would be shown as code."""
    assert not any(line.startswith(" ") for line in render_markdown(a_report()).splitlines())


def test_summaries_of_no_rows_are_given():
    """An empty run has all three forms."""
    empty = a_report(count=0, rows_read=0, rejected=0, throughput=(), rejected_reasons={})
    assert "0 reviews" in render_markdown(empty)
    assert {"figure": "Scored", "value": "0"} in render_table(empty)
    assert "0 = 0 scored" in on_terminal(empty)


def test_summaries_of_a_stopped_run_say_what_is_left():
    """On the terminal and in the UI."""
    stopped = a_report(status="stopped", rows_waiting=3_210)
    assert "3,210 reviews still wait" in render_markdown(stopped)
    assert "3,210 reviews still wait" in on_terminal(stopped)
    assert {"figure": "Waiting", "value": "3,210"} in render_table(stopped)


def test_summaries_carry_warnings_and_the_comparison():
    """What is out of the ordinary is said everywhere."""
    report = compared_report()
    report = replace(
        report, comparison=replace(report.comparison, warnings=("The kettle coughed.",))
    )
    for text in (render_markdown(report), on_terminal(report)):
        assert "The kettle coughed" in text
        assert "90.0 %" in text
    assert "run\\-0" in render_markdown(report)


def test_terminal_shows_brackets_as_they_are():
    """A source or a path cannot style the terminal."""
    assert "[red]y[/red]" in on_terminal(a_report(where={"file": "[red]y[/red]"}))
    assert "[bold]s" in on_terminal(a_report(source="[bold]s"))


def test_all_forms_tell_the_precision_and_unknown_texts():
    """Where there is something to tell."""
    report = a_report(unknown=7, why_precision="labels of float32 on 99.6 %")
    figures = {row["figure"]: row["value"] for row in render_table(report)}
    assert figures["Precision because"] == "labels of float32 on 99.6 %"
    assert figures["Texts without a known word"] == "7"
    assert "labels of float32 on 99" in render_markdown(report)
    assert "7 of 400 texts have no word that the model knows." in render_markdown(report)
    assert "7 of 400 texts have no word that the model knows" in on_terminal(report)
    assert "labels of float32 on 99.6 %" in on_terminal(report)
    assert "no word" not in on_terminal(a_report()) + render_markdown(a_report())


def test_terminal_says_why_rows_were_rejected():
    """The commonest reason first, and of many no more than can be read."""
    reasons = {f"reason {n}": (1, (n,)) for n in range(9)} | {"blank text": (1_200, (1, 2))}
    shown = "1,200 x blank text; " + "; ".join(f"1 x reason {n}" for n in range(5)) + "; …"

    assert f"\nrejected  {shown}\n" in on_terminal(a_report(rejected_reasons=reasons))
    assert "\nrejected " not in on_terminal(a_report(rejected_reasons={}))


def test_one_text_without_a_known_word_is_told_in_the_singular():
    """1 of 400 texts have would be read as a fault of the figure."""
    assert "1 of 400 texts has no word" in on_terminal(a_report(unknown=1))
