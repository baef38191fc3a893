"""Promises of the page about the fleet, and of its short forms."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from edge.fleet.devices import Rejection
from edge.fleet.health import Judgement
from edge.fleet.load import Loaded
from edge.fleet.report import FleetReport, render_html
from edge.fleet.summary import render_markdown, render_table, render_terminal
from tests.edge.fleet.records import NOON
from tests.edge.fleet.test_health import WELL, an_hour
from tests.services.reporting.pages import Page, assert_self_contained

HOSTILE = "<script>alert(1)</script> \"'><img src=x onerror=alert(2)> \u202e {{ 7*7 }} | [a](b)"


def a_report(**changes) -> FleetReport:
    hours = tuple(an_hour(number, fps=10.0 + number) for number in range(8))
    devices = [
        (replace(WELL, hours=hours), Judgement("ok")),
        (replace(WELL, device="camera-8", version="1.2.2"), Judgement("degraded", "too hot")),
        (
            replace(WELL, device="camera-9", last_seen=NOON - timedelta(days=3), p99_ms=None),
            Judgement("silent", "last heard of 3 days ago"),
        ),
    ]
    rejections = [Rejection("camera-8", "a.jsonl", 3, 1, "fps: wrong", '{"fps"', NOON)]
    report = FleetReport(
        run_id="run-1",
        as_of=NOON,
        devices=devices,
        loaded=Loaded(files=4, records=1_234, known=5, rejected=1),
        rejections=rejections,
        where={"report": "/x/var/fleet/reports/2026-11-23.html"},
        parameters={"late": timedelta(minutes=15)},
    )
    return replace(report, **changes)


def test_report_needs_nothing_from_outside():
    """No script, no link, no image, no address that a browser would fetch."""
    assert_self_contained(render_html(a_report()))


def test_report_shows_each_device_the_worst_first():
    """With release, health and reason; and says at the top how many need a look."""
    text = " ".join(Page(render_html(a_report())).text.split())

    assert "2 of 3 devices need a look" in text
    assert text.index("camera-9") < text.index("camera-8") < text.index("camera-7")
    assert "too hot" in text and "parts 1.2.2" in text and "3 days ago" in text
    assert "1,234 records from 4 files; 5 had been loaded before, 1 were rejected" in text
    assert "fps: wrong" in text
    assert "All devices are well" in render_html(a_report(devices=a_report().devices[:1]))


def test_plot_of_a_day_is_told_in_words_too():
    """For whoever cannot see it; bars lie inside the picture."""
    tags = Page(render_html(a_report())).tags
    (plot,) = [attributes for tag, attributes in tags if tag == "svg"]
    bars = [attributes for tag, attributes in tags if tag == "rect"]

    assert plot["aria-label"] == "10.0 to 17.0 frames/s in 8 hours"
    assert len(bars) == 8
    assert all(0 <= float(bar["x"]) <= 120 and 0 <= float(bar["y"]) <= 26 for bar in bars)


@pytest.mark.parametrize("place", ["device", "reason", "rejection", "where"])
def test_words_of_a_device_are_text(place):
    """On the page, in markdown and on the terminal, whatever they are."""
    (first, judgement), *_ = a_report().devices
    changes: dict[str, dict[str, object]] = {
        "device": {"devices": [(replace(first, device=HOSTILE, model=HOSTILE), judgement)]},
        "reason": {"devices": [(first, Judgement("degraded", HOSTILE))]},
        "rejection": {"rejections": [Rejection(HOSTILE, HOSTILE, 0, 1, HOSTILE, HOSTILE, NOON)]},
        "where": {"where": {HOSTILE: HOSTILE}, "parameters": {HOSTILE: HOSTILE}},
    }
    report = a_report(**changes[place])
    html = render_html(report)

    assert not {"script", "img"} & {tag for tag, _ in Page(html).tags}
    assert "<script>alert(1)" in Page(html).text
    assert "\u202e" not in html
    assert "<script>" not in render_markdown(report).replace("\\<script\\>", "")
    assert "alert" in printed(report) or place == "rejection"


def test_fleet_without_a_device_has_a_page():
    """And no table on the terminal."""
    report = a_report(devices=[], rejections=[], loaded=Loaded())

    assert "No device has reported yet" in render_html(report)
    assert "No device has reported yet." in render_markdown(report)
    assert "No device has reported yet." in printed(report)
    assert render_table(report) == []


def test_short_forms_say_what_is_wrong():
    """For the Prefect UI and for the terminal."""
    report = a_report()
    markdown, terminal = render_markdown(report).replace("\\-", "-"), printed(report)

    for text in (markdown, terminal):
        assert "3 devices: 1 ok, 1 degraded, 1 silent." in text
        assert "too hot" in text and "camera-9" in text
    assert "| parts 1.2.3 | 2 |" in markdown
    assert "camera-7" not in markdown.split("## What runs")[0]
    assert "/x/var/fleet/reports/2026-11-23.html" in terminal
    assert [row["health"] for row in render_table(report)] == ["silent", "degraded", "ok"]


def test_terminal_shows_a_large_fleet_in_part():
    """The worst twenty; the rest is in the report."""
    (first, judgement), *_ = a_report().devices
    many = [(replace(first, device=f"camera-{n:03d}"), judgement) for n in range(50)]

    said = printed(a_report(devices=many))
    assert "30 more devices are in the report." in said
    assert "camera-019" in said and "camera-020" not in said


def printed(report: FleetReport) -> str:
    console = Console(file=io.StringIO(), width=220)
    console.print(render_terminal(report), soft_wrap=True)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()
