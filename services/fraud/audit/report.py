"""The page of an audit; one without labels, or without answers, has a page too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from services.fraud.audit import charts
from services.fraud.audit.drift import Drift
from services.fraud.audit.labels import LoadedLabels
from services.fraud.audit.measures import Audit, DayQuality, ModelQuality
from services.fraud.audit.nightly_snapshot import WrittenSnapshot
from services.fraud.audit.run import AuditRun
from services.fraud.audit.verdict import Limits, Verdict
from services.fraud.log.tables import FRAUD_DAILY_METRICS, FRAUD_DRIFT
from services.modelling.statistics import PSI_LARGE
from services.reporting.figures import integer
from services.reporting.page import render


@dataclass(frozen=True)
class AuditReport:
    """All that a reader of an audit gets to see; nothing in it needs the data again."""

    run_id: str
    audit: Audit
    verdict: Verdict
    limits: Limits
    loaded: LoadedLabels | None = None
    snapshot: WrittenSnapshot | None = None
    where: Mapping[str, str] = field(default_factory=dict)  # what -> path, table or address
    parameters: Mapping[str, object] = field(default_factory=dict)
    ended_at: datetime | None = None

    @property
    def champion(self) -> ModelQuality | None:
        """How the champion did; None if there is none, or it gave no answer."""
        return self.audit.model(self.audit.champion)

    @property
    def shadows(self) -> list[ModelQuality]:
        """The models that ran beside it, the one with most answers first."""
        beside = [model for model in self.audit.models if model.role == "shadow"]
        return sorted(beside, key=lambda model: (-model.answers, model.model))

    @property
    def drifted(self) -> list[Drift]:
        """The features that changed much over the last week, the largest first."""
        return [week for week in self.audit.last_week if week.verdict == "large change"]

    @property
    def warnings(self) -> list[str]:
        """What the reader has to know first, beside a fallen quality."""
        found = []
        blocked = self.verdict.blocked
        if blocked and self.verdict.block == "kept":
            found.append(f"Promotion is blocked: {blocked}")
        if self.drifted:
            names = ", ".join(f"{d.feature} ({d.psi:.2f})" for d in self.drifted[:4])
            more = f" and {len(self.drifted) - 4} more" if len(self.drifted) > 4 else ""
            found.append(
                f"Transactions have changed since training: {names}{more}. A stability index"
                f" above {PSI_LARGE:g} is a large change."
            )
        champion = self.champion
        if champion and self.audit.degraded:
            found.append(
                f"{integer(self.audit.degraded)} of {integer(champion.answers)} answers"
                " were given with incomplete windows."
            )
        return found


def compose(
    run: AuditRun,
    audit: Audit,
    verdict: Verdict,
    loaded: LoadedLabels | None,
    snapshot: WrittenSnapshot | None,
    *,
    ended_at: datetime,
) -> AuditReport:
    """Put together what a reader gets to see."""
    address = run.database.address
    tables = f"{FRAUD_DAILY_METRICS.name}, {FRAUD_DRIFT.name}"
    where = {"report": str(run.report), "tables": f"{address}: {tables}"}
    if snapshot:
        where["snapshot file"] = str(snapshot.path)
    return AuditReport(
        run_id=run.run_id,
        audit=audit,
        verdict=verdict,
        limits=run.limits,
        loaded=loaded,
        snapshot=snapshot,
        where=where,
        parameters={
            **{f.name: getattr(run.period, f.name) for f in fields(run.period)},
            **{f.name: getattr(run.limits, f.name) for f in fields(run.limits)},
            "labels": run.labels,
            "transactions": run.transactions,
        },
        ended_at=ended_at,
    )


def percent(share: float | None) -> str:
    """0.8412 -> 84.1 %, and a dash where there is no share."""
    if share is None:
        return "–"
    return f"{share * 100:.2f} %" if 0 < share < 0.01 else f"{share * 100:.1f} %"


def figure(value: float | None) -> str:
    """0.65432 -> 0.654, and a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def change(found: float | None, promised: float | None) -> str:
    """The difference to what the card promises, with its sign."""
    if found is None or promised is None:
        return "–"
    return f"{found - promised:+.3f}".replace("-", "−")


def render_html(report: AuditReport) -> str:
    """The page as text, to be written as UTF-8."""
    return render(
        Path(__file__).with_name("audit.html"),
        filters={"integer": integer, "percent": percent, "figure": figure},
        values={
            "report": report,
            "audit": report.audit,
            "period": report.audit.period,
            "champion": report.champion,
            "verdict": report.verdict,
            "change": change,
            "quality": _quality(report),
            "alerts": _alerts(report),
            "calibration": _calibration(report.champion),
            "drift": _drift(report.audit),
            "days": _answered(report),
        },
    )


def _answered(report: AuditReport) -> list[DayQuality]:
    """The champion's days."""
    tag = report.audit.champion
    return [d for d in report.audit.days if d.role == "answered" and d.model == tag]


def _quality(report: AuditReport) -> dict[str, Any] | None:
    """Average precision per day; None without a labelled fraud."""
    period, champion = report.audit.period, report.champion
    days = [day for day in period.all_days if day < period.first_young]
    found = {d.day: d.average_precision for d in _answered(report)}
    if champion is None or not any(found.get(day) is not None for day in days):
        return None
    shadow = report.shadows[0].model if report.shadows else None
    beside = {
        d.day: d.average_precision
        for d in report.audit.days
        if d.role == "shadow" and d.model == shadow
    }
    own = [found.get(day) for day in days]
    others = [beside.get(day) for day in days]
    promised = champion.expected.average_precision if champion.expected else None
    limit = None if promised is None else promised - report.limits.max_ap_drop
    known = [value for value in own if value is not None]
    alt = (
        f"Line plot of average precision per day, {days[0]} to {days[-1]}: between"
        f" {min(known):.3f} and {max(known):.3f}; over all days"
        f" {figure(champion.metrics.average_precision if champion.metrics else None)}, in the"
        f" test period of the card {figure(promised)}."
    )
    drawn: dict[str, Any] = {"promised": promised, "limit": limit}
    return {
        "alt": alt,
        "promised": promised,
        "shadow": shadow if any(value is not None for value in others) else None,
        "wide": Markup(charts.quality_by_day(days, own, others, **drawn, width=900, name="qw")),
        "narrow": Markup(charts.quality_by_day(days, own, others, **drawn, width=420, name="qn")),
    }


def _alerts(report: AuditReport) -> dict[str, Any] | None:
    champion, answered = report.champion, _answered(report)
    if champion is None:
        return None
    counts = {d.day: d.alerts for d in answered}
    days = report.audit.period.all_days
    alerts = [counts.get(day, 0) for day in days]
    budget = champion.alert_budget
    alt = (
        f"Bars of the cards flagged per day, {days[0]} to {days[-1]}: on average"
        f" {champion.alerts_per_day:.1f}, at most {max(alerts)};"
        f" the budget is {'unknown' if budget is None else integer(budget)}."
    )
    svg = Markup(charts.alerts_by_day(days, alerts, budget, name="alerts"))
    return {"svg": svg, "alt": alt, "budget": budget}


def _calibration(champion: ModelQuality | None) -> dict[str, Any] | None:
    if champion is None or not champion.calibration:
        return None
    bins = champion.calibration
    told = "; ".join(f"{percent(p)} answered, {percent(q)} seen" for p, q, _ in bins)
    svg = Markup(charts.calibration(bins, name="calibration"))
    return {"svg": svg, "alt": f"Plot of answered probabilities beside seen frauds: {told}."}


def _drift(audit: Audit) -> dict[str, Any] | None:
    """A row per feature, the most changed first: the week's index, and a cell per day."""
    if not audit.last_week:
        return None
    days = sorted({drift.day for drift in audit.drift}) or [audit.last_week[0].day]
    by_place = {(drift.feature, drift.day): drift for drift in audit.drift}
    rows: Sequence[tuple[Drift, list[Drift | None]]] = [
        (week, [by_place.get((week.feature, day)) for day in days]) for week in audit.last_week
    ]
    return {"days": days, "rows": rows, "labels": _sparse(days)}


def _sparse(days: Sequence[date]) -> list[str]:
    """A label for every few days, so that they do not run into each other."""
    every = -(-len(days) // 8)
    shown = [(len(days) - 1 - n) % every == 0 for n in range(len(days))]
    return [f"{d.day} {d:%b}" if s else "" for d, s in zip(days, shown, strict=True)]
