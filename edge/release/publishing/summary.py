"""A publishing in short: for the artifacts of the Prefect UI and for the terminal.

Promise: what comes from the model or the publisher cannot end a table cell, begin a link, or style
the terminal.
"""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.release.publishing.report import (
    PublishReport,
    Row,
    decimal,
    megabytes,
    ms,
    percent,
    spread,
)
from services.reporting.markdown import escape, format_table

_STATES = {
    "published": ("published", "bold green"),
    "passed": ("passed; nothing published (dry run)", "bold yellow"),
    "refused": ("REFUSED, nothing published", "bold red"),
}
_HEAD = ("variant", "mAP@0.5", "mAP@[.5:.95]", "loss", "agreed", "frame", "memory", "size", "gate")


def render_table(report: PublishReport) -> list[dict[str, object]]:
    """The variants, one row each, for a table artifact."""
    return [dict(zip(_HEAD, _cells(row), strict=True)) for row in report.rows]


def render_markdown(report: PublishReport) -> str:
    """The publishing as unindented markdown, for an artifact."""
    words = _STATES[report.state][0]
    blocks = [f"# {escape(report.title)}: {words}"]
    if report.published:
        blocks.append(
            f"{report.published.variant}, channel {escape(report.published.channel)},"
            f" {percent(report.published.share)} of its devices"
        )
    blocks += [f"> **Refused.** {escape(text)}" for text in report.decision.reasons]
    rows = [tuple(escape(cell) for cell in _cells(row)) for row in report.rows]
    blocks.append(format_table(_HEAD, rows))
    blocks += [f"> {escape(text)}" for text in report.notes]
    for head, columns, facts in (
        ("## What it rests on", ("what", "is"), report.facts),
        ("## Where to look", ("what", "where"), report.where),
    ):
        cells = [(escape(name), escape(value)) for name, value in facts.items()]
        blocks += [head, format_table(columns, cells)]
    return "\n\n".join(blocks) + "\n"


def render_terminal(report: PublishReport) -> RenderableType:
    """The last thing the command prints. Print it with `soft_wrap`: paths are to be copied."""
    words, style = _STATES[report.state]
    if report.published:
        share = f", {percent(report.published.share)} of devices" * (report.published.share < 1)
        words = f"published as {report.published.variant} on {report.published.channel}{share}"
    headline = Text.assemble((report.title, "bold"), "  ", (words, style))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in _HEAD[:-1]:
        table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
    table.add_column(_HEAD[-1])
    for row in report.rows:
        *cells, _ = _cells(row)
        cells[_HEAD.index("frame")] = ms(row.metrics.timing.p50_ms)  # as much as 80 columns take
        if row.chosen:
            gate = Text("chosen", "bold green")
        else:
            gate = Text("passed", "green") if row.verdict.passed else Text("refused", "red")
        table.add_row(*map(Text, cells), gate, style="bold" if row.chosen else "")
    lines = [Text(reason, "red") for reason in report.decision.reasons]
    lines += [Text.assemble(("note: ", "yellow"), note) for note in report.notes]
    rounds = ", ".join(f"{row.metrics.variant} {spread(row.metrics.timing)}" for row in report.rows)
    facts = {"frame, ms": rounds, **report.facts, **report.where}
    width = max(map(len, facts)) + 2
    lines += [Text.assemble((name.ljust(width), "dim"), value) for name, value in facts.items()]
    return Group(headline, table, *lines)


def _cells(row: Row) -> tuple[str, ...]:
    metrics = row.metrics
    accuracy, parity = metrics.accuracy, metrics.parity
    agreed = f"{parity.agreement.matched}/{parity.agreement.compared}" if parity else "–"
    if row.chosen:
        gate = "chosen"
    else:
        gate = "passed" if row.verdict.passed else f"refused: {'; '.join(row.verdict.reasons)}"
    return (
        metrics.variant,
        decimal(accuracy.map_50 if accuracy else None),
        decimal(accuracy.map_50_95 if accuracy else None),
        percent(metrics.map_loss),
        agreed,
        f"{ms(metrics.timing.p50_ms)} ({spread(metrics.timing)})",
        megabytes(metrics.timing.peak_bytes),
        megabytes(metrics.bytes),
        gate,
    )
