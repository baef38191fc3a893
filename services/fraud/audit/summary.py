"""An audit in short: for the artifacts of the Prefect UI and for the terminal.

Promise: what comes from the data cannot end a table cell, begin a link, or style the terminal.
"""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from services.fraud.audit.measures import ModelQuality
from services.fraud.audit.report import AuditReport, change, figure, percent
from services.reporting.figures import integer
from services.reporting.markdown import escape, format_table

_QUALITY = {
    "held": ("quality has held", "bold green"),
    "fallen": ("QUALITY HAS FALLEN", "bold red"),
    "unknown": ("quality is not known yet", "bold yellow"),
}
DRIFT_SHOWN = 5


def render_table(report: AuditReport) -> list[dict[str, object]]:
    """The metrics of each day and model, one row each, for a table artifact."""
    return [
        {
            "day": row.day.isoformat(),
            "model": row.model,
            "role": row.role,
            "answers": row.answers,
            "labelled": row.labelled,
            "frauds": row.frauds,
            "AUC ROC": figure(row.auc_roc),
            "average precision": figure(row.average_precision),
            "card precision@100": figure(row.card_precision_100),
            "calibration error": percent(row.calibration_error),
            "flagged": percent(row.flagged / row.answers),
            "cards flagged": row.alerts,
            "budget": row.alert_budget,
        }
        for row in report.audit.days
    ]


def render_markdown(report: AuditReport) -> str:
    """The audit as unindented markdown, for an artifact."""
    verdict = report.verdict
    words, reasons = _QUALITY[verdict.quality][0], escape(" ".join(verdict.reasons))
    blocks = [f"# Fraud audit, {report.audit.period.run_date.isoformat()}"]
    if verdict.block == "blocked":
        blocks.append(f"> **PROMOTION IS BLOCKED.** {reasons}")
    if verdict.block == "lifted":
        blocks.append("> **Promotion is allowed again.** The figures are back within the limits.")
    blocks += [f"> **Warning:** {escape(text)}" for text in report.warnings]
    blocks.append(f"**{words[0].upper()}{words[1:]}.** {reasons}")
    blocks += _against_card(report)
    blocks += _shadows(report)
    if report.audit.last_week:
        drift = [
            (escape(week.feature), figure(week.psi), week.verdict)
            for week in report.audit.last_week[:DRIFT_SHOWN]
        ]
        blocks += [
            "## Drift in the last week",
            format_table(("Feature", "Index", "Verdict"), drift),
        ]
    if report.where:
        places = [(escape(k), escape(v)) for k, v in report.where.items()]
        blocks += ["## Where to look", format_table(("What", "Where"), places)]
    return "\n\n".join(blocks) + "\n"


def render_terminal(report: AuditReport) -> RenderableType:
    """The last thing the command prints. Print it with `soft_wrap`: paths are to be copied."""
    verdict = report.verdict
    words, style = _QUALITY[verdict.quality]
    day = report.audit.period.run_date.isoformat()
    headline = Text.assemble(("fraud audit", "bold"), f"  {day}  ", (words, style))
    notes = []
    if verdict.block == "blocked":
        notes.append(Text("PROMOTION IS BLOCKED", "bold white on red"))
    if verdict.block == "lifted":
        notes.append(Text("Promotion is allowed again.", "bold green"))
    notes += [Text(reason) for reason in verdict.reasons]
    notes += [Text.assemble(("Warning: ", "bold yellow"), text) for text in report.warnings]
    facts = _facts(report)
    width = max(map(len, facts)) + 2
    lines = [Text.assemble((name.ljust(width), "dim"), fact) for name, fact in facts.items()]
    return Group(headline, *notes, *lines)


def _facts(report: AuditReport) -> dict[str, str]:
    audit, champion = report.audit, report.champion
    facts = {"model": audit.champion or "no champion"}
    if champion:
        flagged = percent(champion.flagged_share)
        facts["answers"] = f"{integer(champion.answers)}, {flagged} flagged"
        facts.update(_quality(champion))
        budget = "unknown" if champion.alert_budget is None else integer(champion.alert_budget)
        facts["alerts"] = f"{champion.alerts_per_day:.1f} cards a day, budget {budget}"
    for model in report.shadows:
        facts["shadow"] = (
            f"{model.model}: {percent(model.equal_decisions)} equal decisions,"
            f" probabilities differ by {model.mean_difference:.4f} on average"
        )
    if audit.last_week:
        most = audit.last_week[0]
        facts["drift"] = f"most in {most.feature}: {most.psi:.3f}, {most.verdict}"
    if report.loaded:
        loaded, unknown = integer(report.loaded.labels), integer(report.loaded.unknown)
        facts["labels"] = f"{loaded} loaded, {unknown} of transactions that are not in the log"
    if report.snapshot:
        rows = integer(report.snapshot.rows)
        newest = f"{datetime.fromtimestamp(report.snapshot.as_of, UTC):%Y-%m-%d %H:%M} UTC"
        facts["snapshot"] = f"{rows} transactions from {report.snapshot.source}, up to {newest}"
    return {**facts, **report.where}


def _quality(champion: ModelQuality) -> dict[str, str]:
    now, then = champion.metrics, champion.expected
    if now is None:
        return {}
    promised_ap = figure(then.average_precision if then else None)
    promised_auc = figure(then.auc_roc if then else None)
    return {
        "labelled": f"{integer(now.rows)}, {integer(now.frauds)} frauds",
        "quality": (
            f"average precision {figure(now.average_precision)} (card {promised_ap}),"
            f" AUC ROC {figure(now.auc_roc)} (card {promised_auc}),"
            f" card precision@100 {figure(now.card_precision)}"
        ),
    }


def _against_card(report: AuditReport) -> list[str]:
    champion = report.champion
    if champion is None:
        return []
    rows = []
    for name, attribute in (
        ("Average precision", "average_precision"),
        ("AUC ROC", "auc_roc"),
        ("Card precision@100", "card_precision"),
        ("Calibration error", "calibration_error"),
    ):
        then = getattr(champion.expected, attribute, None)
        now = getattr(champion.metrics, attribute, None)
        rows.append((name, figure(then), figure(now), change(now, then)))
    budget = "–" if champion.alert_budget is None else integer(champion.alert_budget)
    rows.append(("Cards flagged a day", budget, f"{champion.alerts_per_day:.1f}", ""))
    return [format_table(("", "Card", "Now", "Change"), rows)]


def _shadows(report: AuditReport) -> list[str]:
    if not report.shadows:
        return []
    rows = [
        (
            escape(model.model),
            percent(model.equal_decisions),
            f"{model.mean_difference:.4f}",
            f"{model.largest_difference:.4f}",
            figure(model.metrics.auc_roc if model.metrics else None),
            figure(model.metrics.average_precision if model.metrics else None),
        )
        for model in report.shadows
    ]
    head = ("Shadow", "Same decision", "Mean difference", "Largest", "AUC ROC", "Av. precision")
    return ["## In the shadow", format_table(head, rows)]
