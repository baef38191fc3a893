"""What the audit found of the newest day, for the digest."""

from tasks.operations.notices.digest import Alerts
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
