"""What the audit found of the newest day, and whether that is out of the ordinary."""

from collections.abc import Iterator

from tasks.operations.notices.digest import Alerts
from tasks.operations.notices.trouble import Trouble
from tasks.operations.records import Records
from tasks.settings import Settings

SHIFTED = "large change"  # as the audit calls it
NAMED = 4


def read_alerts(settings: Settings) -> Alerts | None:
    """Of the newest day that was audited; None: none was, or it cannot be read."""
    from services.fraud.log.tables import FRAUD_DAILY_METRICS, FRAUD_DRIFT

    audits, drift = FRAUD_DAILY_METRICS.c, FRAUD_DRIFT.c
    records = Records(settings)
    try:
        answered = audits.role == "answered"
        rows = records.rows(FRAUD_DAILY_METRICS, answered, order=(audits.day.desc(),), limit=1)
        if not rows:
            return None
        (row,) = rows
        same = (drift.day == row["day"], drift.verdict == SHIFTED)
        shifted = records.rows(FRAUD_DRIFT, *same, order=(drift.psi.desc(),), limit=NAMED)
    finally:
        records.close()
    return Alerts(
        day=row["day"],
        answers=row["answers"],
        alerts=row["alerts"],
        budget=row["alert_budget"],
        drifted=tuple(f"{each['feature']} ({each['psi']:.2f})" for each in shifted),
    )


def drift_troubles(alerts: Alerts | None) -> Iterator[Trouble]:
    """That transactions have become others than those of training."""
    if alerts is not None and alerts.drifted:
        yield Trouble(
            "drift",
            f"transactions of {alerts.day} differ from those of training in"
            f" {', '.join(alerts.drifted)}",
            "the champion judges what it has not learnt; its labels will tell how well",
            "look at the audit's report; triptych train-fraud with newer transactions",
        )
