"""Whether a champion still does what its card promises, and what follows for promotion.

Quality has fallen if, over the labelled days and at least so many frauds, average precision or
AUC ROC lie further below the figures of the card's test period than allowed, or far more cards
a day are flagged than the budget. With fewer frauds nothing is judged, nor where labels are of
few answers: those of frauds, or of flagged transactions, show any model better than it is. A
block that somebody else has put stays.
"""

from dataclasses import dataclass
from typing import Literal

from services.fraud.audit.measures import Audit, ModelQuality
from services.fraud.scoring.evaluation import Metrics
from services.fraud.scoring.registry import Registry

LEAST_LABELLED = 0.5  # of the answers on the days that have labels
OWN = "audit of "  # how the reason of a block begins that an audit may lift


@dataclass(frozen=True)
class Limits:
    """What is still good enough.

    Attributes:
        max_ap_drop: of average precision, absolute. With 30 frauds chance alone moves it by
            0.08 (one standard error), so that the default is about twice that.
        max_auc_drop: of AUC ROC, absolute.
        max_alert_ratio: cards flagged per day, by the card's budget.
        min_frauds: labelled ones, below which quality is not judged.
    """

    max_ap_drop: float = 0.15
    max_auc_drop: float = 0.08
    max_alert_ratio: float = 3.0
    min_frauds: int = 30


@dataclass(frozen=True)
class Verdict:
    """What the audit says of the champion.

    Attributes:
        quality: fallen, held, or unknown where there is too little to judge.
        reasons: why, in sentences.
        block: what was done: blocked, lifted, kept (somebody else's, or nothing to judge it
            by), or none.
        blocked: why promotion is blocked now; None if it is not.
    """

    quality: Literal["fallen", "held", "unknown"]
    reasons: tuple[str, ...]
    block: Literal["blocked", "lifted", "kept", "none"] = "none"
    blocked: str | None = None


def judge(audit: Audit, limits: Limits) -> Verdict:
    """Compare the champion with its card."""
    champion = audit.model(audit.champion)
    if audit.champion is None:
        return Verdict("unknown", ("There is no champion.",))
    if champion is None:
        return Verdict("unknown", (f"{audit.champion} answered on none of the audited days.",))
    metrics, expected = champion.metrics, champion.expected
    frauds = metrics.frauds if metrics else 0
    reasons = _too_many_alerts(champion, limits)
    if metrics is None or frauds < limits.min_frauds:
        few = f"{frauds:,} labelled frauds are too few to judge by; {limits.min_frauds} are needed."
        return Verdict("unknown", (few, *reasons))
    if one_sided := _labelled_too_few(audit, metrics):
        return Verdict("unknown", (one_sided, *reasons))
    if expected is None:
        unknown = "The model's card has no figures of a test period to compare with."
        return Verdict("fallen" if reasons else "unknown", (*reasons, unknown))
    for name, found, promised, allowed in (
        (
            "Average precision",
            metrics.average_precision,
            expected.average_precision,
            limits.max_ap_drop,
        ),
        ("AUC ROC", metrics.auc_roc, expected.auc_roc, limits.max_auc_drop),
    ):
        if found is not None and promised is not None and promised - found > allowed:
            reasons.append(
                f"{name} is {found:.3f} and was {promised:.3f} in the test period:"
                f" {promised - found:.3f} less, and {allowed:g} is allowed."
            )
    if reasons:
        return Verdict("fallen", tuple(reasons))
    return Verdict("held", (f"Judged by {frauds:,} labelled frauds.",))


def _labelled_too_few(audit: Audit, metrics: Metrics) -> str | None:
    """Why the labels tell of no quality; None: they do."""
    champion = (audit.champion, "answered")
    days = [day for day in audit.days if (day.model, day.role) == champion and day.labelled]
    answers = sum(day.answers for day in days)
    if metrics.frauds < metrics.rows and metrics.rows >= LEAST_LABELLED * answers:
        return None
    return (
        f"Of {answers:,} answers {metrics.rows:,} are labelled, {metrics.frauds:,} of them as"
        " frauds: quality cannot be known by these. Send labels of the genuine ones too."
    )


def _too_many_alerts(champion: ModelQuality, limits: Limits) -> list[str]:
    budget, alerts = champion.alert_budget, champion.alerts_per_day
    if not budget or alerts <= limits.max_alert_ratio * budget:
        return []
    return [f"{alerts:,.0f} cards a day are flagged, and the budget is {budget:,.0f}."]


def enforce(verdict: Verdict, registry: Registry, audit: Audit) -> Verdict:
    """Block promotion if quality has fallen; lift the block of an audit if it is back."""
    blocked = registry.blocked()
    ours = blocked is not None and blocked.startswith(OWN)
    if verdict.quality == "fallen" and (blocked is None or ours):
        reason = f"{OWN}{audit.period.run_date}: {audit.champion}: {' '.join(verdict.reasons)}"
        registry.block(reason)
        return Verdict(verdict.quality, verdict.reasons, "blocked", reason)
    if verdict.quality == "held" and ours:
        registry.unblock()
        return Verdict(verdict.quality, verdict.reasons, "lifted")
    done: Literal["kept", "none"] = "none" if blocked is None else "kept"
    return Verdict(verdict.quality, verdict.reasons, done, blocked)
