"""The fleet in short: for the artifacts of the Prefect UI and for the terminal.

Promise: what comes from a device cannot end a table cell, begin a link, or style the terminal.
"""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.fleet.health import format_age
from edge.fleet.report import FleetReport, figure, instant
from services.reporting.markdown import escape, format_table

_STYLES = {"ok": "green", "degraded": "yellow", "late": "yellow", "silent": "bold red"}
ON_TERMINAL = 20  # devices
REJECTIONS_SHOWN = 10


def render_table(report: FleetReport) -> list[dict[str, object]]:
    """One row per device, for a table artifact."""
    return [
        {
            "device": device.device,
            "health": judgement.health,
            "reason": judgement.reason,
            "release": device.release,
            "last seen": instant(device.last_seen),
            "frames/s": figure(device.fps, 1),
            "p99 ms": figure(device.p99_ms, 1),
            "°C": figure(device.temperature_c),
            "runtime": device.runtime,
            "starts in a day": device.starts,
            "lost records": device.lost,
        }
        for device, judgement in report.worst_first
    ]


def render_markdown(report: FleetReport) -> str:
    """The fleet as unindented markdown, for an artifact."""
    blocks = [f"# The fleet, {instant(report.as_of)}", f"**{_headline(report)}**"]
    blocks += [f"> **Warning:** {escape(text)}" for text in report.warnings]
    troubled = [one for one in report.worst_first if one[1].health != "ok"]
    if troubled:
        rows = [
            (d.device, j.health, j.reason, d.release, instant(d.last_seen)) for d, j in troubled
        ]
        head = ("Device", "Health", "Why", "Release", "Last seen")
        blocks += ["## To look at", _table(head, rows)]
    if report.releases:
        releases = [(release, f"{count:,}") for release, count in report.releases]
        blocks += ["## What runs", _table(("Release", "Devices"), releases)]
    if report.rejections:
        rows_ = [
            (r.device, f"{r.file}:{r.line}", r.reason) for r in report.rejections[:REJECTIONS_SHOWN]
        ]
        blocks += ["## Not loaded", _table(("Device", "File and line", "Why"), rows_)]
    if report.where:
        blocks += ["## Where to look", _table(("What", "Where"), list(report.where.items()))]
    return "\n\n".join(blocks) + "\n"


def render_terminal(report: FleetReport) -> RenderableType:
    """The last thing the command prints. Print it with `soft_wrap`: paths are to be copied."""
    loaded = report.loaded
    headline = Text.assemble(("fleet", "bold"), f"  {instant(report.as_of)}  {_headline(report)}")
    notes = [Text.assemble(("Warning: ", "bold yellow"), text) for text in report.warnings]
    facts = {
        "loaded": f"{loaded.records:,} records of {loaded.files:,} files,"
        f" {loaded.known:,} known before, {loaded.rejected:,} rejected",
        **report.where,
    }
    width = max(map(len, facts)) + 2
    lines = [Text.assemble((name.ljust(width), "dim"), fact) for name, fact in facts.items()]
    if not report.devices:
        return Group(headline, *notes, *lines)
    reasons: list[Text] = []
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("device", "health", "release", "last seen", "frames/s", "p99 ms", "°C"):
        table.add_column(head)
    for device, judgement in report.worst_first[:ON_TERMINAL]:
        table.add_row(
            Text(device.device),
            Text(judgement.health, _STYLES[judgement.health]),
            Text(device.release),
            f"{format_age(report.as_of - device.last_seen)} ago",
            figure(device.fps, 1),
            figure(device.p99_ms, 1),
            figure(device.temperature_c),
        )
        if judgement.reason:
            reasons.append(Text(f"{device.device}: {judgement.reason}"))
    more = len(report.devices) - ON_TERMINAL
    if more > 0:
        notes.append(Text(f"{more:,} more devices are in the report.", "dim"))
    return Group(headline, *notes, table, *reasons, *lines)


def _headline(report: FleetReport) -> str:
    total = len(report.devices)
    if not total:
        return "No device has reported yet."
    parts = [f"{count:,} {health}" for health, count in report.counts.items() if count]
    return f"{total:,} device{'s' * (total > 1)}: {', '.join(parts)}."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of words from devices."""
    return format_table(head, [[escape(cell) for cell in row] for row in rows])
