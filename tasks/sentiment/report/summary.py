"""A run in short: for the artifacts of the Prefect UI and for the terminal.

Promise: what comes from the data cannot end a table cell, begin a link, or style the terminal.
"""

from rich.console import Group, RenderableType
from rich.text import Text

from services.reporting.excerpt import excerpt
from services.reporting.figures import counted, duration, integer, percent, points, rate
from services.reporting.markdown import escape, format_table
from tasks.sentiment.report.page import RunReport
from tasks.sentiment.run.groups import OTHER
from tasks.sentiment.run.statistics import Example

EXAMPLES_SHOWN = 5
GROUPS_SHOWN = 15
REASONS_SHOWN = 15
REASONS_NAMED = 6  # on the terminal
BAR_CHARS = 24


def render_table(report: RunReport) -> list[dict[str, object]]:
    """The figures of the run, one row each, for a table artifact."""
    run, outcome, comparison = report.run, report.outcome, report.comparison
    figures: list[tuple[str, str]] = [
        ("Source", excerpt(run.folder.source, 200)),
        ("Run date", run.folder.run_date.isoformat()),
        ("Status", outcome.status),
        ("Rows read", integer(outcome.rows_read)),
        *([("Read as", report.plan.how_read)] if report.plan.read_as else []),
        ("Scored", integer(outcome.scored)),
        ("Reused", integer(outcome.reused)),
        ("Rejected", integer(outcome.rejected)),
        ("Waiting", integer(outcome.rows_waiting)),
        ("Texts without a known word", integer(report.plan.unknown)),
        ("Positive", percent(report.statistics.positive_share)),
    ]
    if report.statistics.neutral_share is not None:
        figures.append(("Neutral", percent(report.statistics.neutral_share)))
    if comparison.psi is not None:
        figures.append(("Positive before", percent(comparison.positive_share_then)))
        figures.append(("Stability index", f"{comparison.psi:.3f} ({comparison.psi_verdict})"))
    figures += [
        ("Warnings", integer(len(report.warnings))),
        ("Time", duration(report.seconds)),
        ("Reviews per second", rate(report.reviews_per_second)),
        ("Model", excerpt(run.request.model, 200)),
        ("Model digest", run.request.model_digest[:12]),
        ("Precision", report.precision),
        *([("Precision because", report.why_precision)] if report.why_precision else []),
        *([("Labels", excerpt(report.label_rule, 600))] if report.label_rule else []),
        ("Run", run.run_id),
    ]
    return [{"figure": name, "value": value} for name, value in figures]


def render_markdown(report: RunReport) -> str:
    """The run as unindented markdown, for an artifact."""
    folder, request = report.run.folder, report.run.request
    blocks = [f"# Sentiment of {escape(folder.source, 200)}, {folder.run_date.isoformat()}"]
    blocks += [f"> **Warning:** {escape(text)}" for text in report.warnings]
    if report.left_over:
        blocks.append(f"> **Stopped.** {report.left_over}")
    blocks.append(
        f"**{percent(report.statistics.positive_share)} positive**{_neutral(report)} of "
        f"{counted(report.statistics.rows, 'review')}. Read {_counts(report)}"
        f"{f', as {escape(report.plan.how_read)}' if report.plan.read_as else ''}, in "
        f"{duration(report.seconds)} ({rate(report.reviews_per_second)} reviews per second)."
        + (f" {_unknown(report)}." if report.plan.unknown else "")
    )
    blocks += _change(report)
    blocks += _distribution(report)
    blocks += _groups(report)
    blocks += _examples("Most negative", report.statistics.most_negative)
    blocks += _examples("Most positive", report.statistics.most_positive)
    blocks += _rejected(report)
    if report.where:
        rows = [(escape(k, 300), escape(v)) for k, v in report.where.items()]
        blocks += ["## Where to look", format_table(("What", "Where"), rows)]
    why = f" ({report.why_precision})" if report.why_precision else ""
    blocks.append(
        f"Model {escape(request.model)}, digest {request.model_digest[:12]}, "
        f"{escape(report.precision + why)}. "
        + (f"Labels: {escape(report.label_rule)}. " if report.label_rule else "")
        + f"Run {escape(report.run.run_id)}."
    )
    return "\n\n".join(blocks) + "\n"


def render_terminal(report: RunReport) -> RenderableType:
    """The last thing the command prints. Print it with `soft_wrap`: paths are to be copied."""
    statistics, comparison, status = report.statistics, report.comparison, report.outcome.status
    folder, request = report.run.folder, report.run.request
    headline = Text.assemble(
        (excerpt(folder.source, 80), "bold"),
        f"  {folder.run_date.isoformat()}  ",
        (status, "bold green" if status == "finished" else "bold yellow"),
    )
    share = f"{percent(statistics.positive_share)} of {integer(statistics.rows)}"
    if comparison.psi is not None:
        share += f"  (before {percent(comparison.positive_share_then)}, "
        share += f"stability index {comparison.psi:.3f}: {comparison.psi_verdict})"
    speed = rate(report.reviews_per_second)
    facts = {
        "read": _counts(report),
        **({"read as": excerpt(report.plan.how_read, 300)} if report.plan.read_as else {}),
        **({"rejected": _reasons(report)} if report.plan.rejected_reasons else {}),
        **({"unknown": _unknown(report)} if report.plan.unknown else {}),
        "positive": share,
        **_neutral_fact(report),
        "time": f"{duration(report.seconds)}, {speed} reviews per second",
        "model": f"{excerpt(request.model, 200)} ({request.model_digest[:12]}), {report.precision}",
        **({"labels": excerpt(report.label_rule, 600)} if report.label_rule else {}),
        **({"precision": report.why_precision} if report.why_precision else {}),
        **{excerpt(what, 80): excerpt(place, 600) for what, place in report.where.items()},
    }
    width = max(map(len, facts)) + 2
    lines = [Text.assemble((what.ljust(width), "dim"), fact) for what, fact in facts.items()]
    notes = [
        Text.assemble(("Warning: ", "bold yellow"), excerpt(text, 600)) for text in report.warnings
    ]
    if report.left_over:
        notes.append(Text.assemble(("Stopped: ", "bold yellow"), report.left_over))
    return Group(headline, *notes, *lines)


def _counts(report: RunReport) -> str:
    outcome = report.outcome
    return (
        f"{integer(outcome.rows_read)} = {integer(outcome.scored)} scored + "
        f"{integer(outcome.reused)} reused + {integer(outcome.rejected)} rejected"
    )


def _neutral(report: RunReport) -> str:
    share = report.statistics.neutral_share
    return "" if share is None else f" and {percent(share)} neutral"


def _neutral_fact(report: RunReport) -> dict[str, str]:
    now, then = report.statistics.neutral_share, report.comparison.neutral_share_then
    if now is None:
        return {}
    before = "" if then is None else f"  (before {percent(then)})"
    return {"neutral": f"{percent(now)} of {integer(report.statistics.rows)}{before}"}


def _unknown(report: RunReport) -> str:
    unknown, accepted = report.plan.unknown, counted(report.plan.accepted, "text")
    have = "has" if unknown == 1 else "have"
    return f"{integer(unknown)} of {accepted} {have} no word that the model knows"


def _change(report: RunReport) -> list[str]:
    comparison = report.comparison
    now = report.statistics.positive_share
    if comparison.positive_share_then is None or now is None:
        return ["## Change\n\nNo earlier finished run of this source to compare with."]
    then = comparison.positive_share_then
    rows = [("Positive share", percent(then), percent(now), points(now - then))]
    neutral_then, neutral_now = comparison.neutral_share_then, report.statistics.neutral_share
    if neutral_then is not None and neutral_now is not None:
        change = points(neutral_now - neutral_then)
        rows.append(("Neutral share", percent(neutral_then), percent(neutral_now), change))
    if comparison.rejected_share_then is not None and comparison.rejected_share_now is not None:
        before, after = comparison.rejected_share_then, comparison.rejected_share_now
        rows.append(("Rejected share", percent(before), percent(after), points(after - before)))
    index = f"{comparison.psi:.3f}: {comparison.psi_verdict}"
    rows.append(("Population stability index", "", "", index))
    runs = ", ".join(escape(run.run_id) for run in comparison.previous)
    table = format_table(("", "Before", "Now", "Change"), rows)
    return ["## Change", table, f"Compared with {runs}."]


def _distribution(report: RunReport) -> list[str]:
    counts = report.statistics.histogram
    pairs = [counts[i] + counts[i + 1] for i in range(0, len(counts), 2)]
    total, most = sum(pairs), max(pairs)
    if not total:
        return []
    rows = [
        (
            f"{i / len(pairs):.1f} to {(i + 1) / len(pairs):.1f}",
            "█" * round(BAR_CHARS * count / most),
            percent(count / total),
        )
        for i, count in enumerate(pairs)
    ]
    return [
        "## Probability of being positive",
        format_table(("Probability", "Reviews", "Share"), rows),
    ]


def _groups(report: RunReport) -> list[str]:
    tally = report.statistics.groups.tally
    column = report.run.request.group_column
    if column is None or not tally:
        return []
    days = report.statistics.groups.are_days
    ranked = sorted(tally.items(), key=lambda group: (group[0] == OTHER, -group[1][0], group[0]))
    shown = sorted(tally.items())[-GROUPS_SHOWN:] if days else ranked[:GROUPS_SHOWN]
    rows = [
        (escape(name, 80), percent(positive / count), integer(count))
        for name, (count, positive) in shown
    ]
    column = escape(column, 80)
    blocks = [f"## By {column}", format_table((column, "Positive", "Reviews"), rows)]
    if len(tally) > len(shown):
        which = "The newest" if days else "The largest"
        blocks.append(f"{which} {len(shown)} of {len(tally):,}; the HTML report has the picture.")
    return blocks


def _examples(title: str, examples: tuple[Example, ...]) -> list[str]:
    if not examples:
        return []
    rows = [
        (f"{e.positive_probability:.4f}", escape(e.text, 300), escape(e.review_id, 300))
        for e in examples[:EXAMPLES_SHOWN]
    ]
    return [f"## {title}", format_table(("Probability", "Review", "Id"), rows)]


def _ranked_reasons(report: RunReport) -> list[tuple[str, tuple[int, tuple[int, ...]]]]:
    """Why rows were rejected, how many and for example which: the commonest reason first."""
    reasons = report.plan.rejected_reasons.items()
    return sorted(reasons, key=lambda reason: (-reason[1][0], reason[0]))


def _reasons(report: RunReport) -> str:
    ranked = _ranked_reasons(report)
    shown = [f"{integer(count)} x {excerpt(reason, 80)}" for reason, (count, _) in ranked]
    more = ["…"] if len(shown) > REASONS_NAMED else []
    return "; ".join([*shown[:REASONS_NAMED], *more])


def _rejected(report: RunReport) -> list[str]:
    if not report.plan.rejected_reasons:
        return []
    rows = [
        (escape(reason, 300), integer(count), ", ".join(str(row) for row in numbers[:5]))
        for reason, (count, numbers) in _ranked_reasons(report)[:REASONS_SHOWN]
    ]
    return ["## Rejected", format_table(("Reason", "Rows", "For example rows"), rows)]
