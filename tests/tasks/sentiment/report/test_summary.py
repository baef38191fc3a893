"""Promises of the short forms of a night."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tasks.sentiment.report.drift import PreviousRun, compare_to_previous
from tasks.sentiment.report.page import NightReport
from tasks.sentiment.report.summary import (
    render_markdown,
    render_table,
    render_terminal,
)
from tests.tasks.sentiment.report.test_page import a_night

HOSTILE = "a | b\nc `d` [link](javascript:alert(1)) <b>x</b> [red]y[/red] ![i](http://evil.example)"


def compared_night(**changes: Any) -> NightReport:
    night = a_night(**changes)
    previous = PreviousRun("run-0", "2026-11-21", 0.9, night.statistics.histogram[::-1], 402, 2)
    comparison = compare_to_previous(
        night.statistics, rows_read=402, rejected=2, previous=[previous]
    )
    return a_night(comparison=comparison, **changes)


def on_terminal(night: NightReport) -> str:
    printed = io.StringIO()
    console = Console(file=printed, width=200, color_system=None)
    console.print(render_terminal(night))
    return printed.getvalue()


@pytest.mark.parametrize("place", ["text", "cells", "reasons", "where"])
def test_markdown_tables_keep_their_columns(place):
    """No cell of the data ends a cell of the table."""
    night = {
        "text": lambda: a_night(text=HOSTILE),
        "cells": lambda: a_night([HOSTILE] * 400),
        "reasons": lambda: a_night(rejected_reasons={HOSTILE: (1, (1,))}),
        "where": lambda: a_night(where={HOSTILE: HOSTILE}),
    }[place]()
    widths: list[set[int]] = [set()]
    for line in render_markdown(night).splitlines():
        if line.startswith("|"):
            widths[-1].add(line.replace("\\|", "").count("|"))
        else:
            widths.append(set())
    assert all(len(width) <= 1 for width in widths)


def test_markdown_is_unindented():
    """Indented lines would be shown as code."""
    assert not any(line.startswith(" ") for line in render_markdown(a_night()).splitlines())


def test_summaries_of_no_rows_are_given():
    """An empty night has all three forms."""
    empty = a_night(count=0, rows_read=0, rejected=0, throughput=(), rejected_reasons={})
    assert "0 reviews" in render_markdown(empty)
    assert {"figure": "Scored", "value": "0"} in render_table(empty)
    assert "0 = 0 scored" in on_terminal(empty)


def test_summaries_of_a_stopped_night_say_what_is_left():
    """On the terminal and in the UI."""
    stopped = a_night(status="stopped", rows_waiting=3_210)
    assert "3,210 reviews still wait" in render_markdown(stopped)
    assert "3,210 reviews still wait" in on_terminal(stopped)
    assert {"figure": "Waiting", "value": "3,210"} in render_table(stopped)


def test_summaries_carry_warnings_and_the_comparison():
    """What is out of the ordinary is said everywhere."""
    night = compared_night()
    assert night.comparison is not None
    night = replace(night, comparison=replace(night.comparison, warnings=("The canary coughed.",)))
    for text in (render_markdown(night), on_terminal(night)):
        assert "The canary coughed" in text
        assert "90.0 %" in text
    assert "run\\-0" in render_markdown(night)


def test_terminal_shows_brackets_as_they_are():
    """A source or a path cannot style the terminal."""
    assert "[red]y[/red]" in on_terminal(a_night(where={"file": "[red]y[/red]"}))
    assert "[bold]s" in on_terminal(a_night(source="[bold]s"))


def test_all_forms_tell_the_precision_and_unknown_texts():
    """Where there is something to tell."""
    night = a_night(accepted=400, unknown=7, why_precision="labels of float32 on 99.6 %")
    figures = {row["figure"]: row["value"] for row in render_table(night)}
    assert figures["Precision because"] == "labels of float32 on 99.6 %"
    assert figures["Texts without a known word"] == "7"
    assert "labels of float32 on 99" in render_markdown(night)
    assert "7 of 400 texts have no word that the model knows." in render_markdown(night)
    assert "7 of 400 texts have no word that the model knows" in on_terminal(night)
    assert "labels of float32 on 99.6 %" in on_terminal(night)
    assert "no word" not in on_terminal(a_night()) + render_markdown(a_night())
