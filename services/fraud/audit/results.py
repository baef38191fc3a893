"""The audit's metrics in SQL: one row per day and model, and per day and feature."""

from dataclasses import asdict

import sqlalchemy as sa

from services.fraud.audit.measures import Audit
from services.fraud.log.database import Database
from services.fraud.log.tables import FRAUD_DAILY_METRICS, FRAUD_DRIFT


def write_audit(database: Database, audit: Audit, run_id: str) -> None:
    """Replace the metrics of the days that were measured; the same audit again changes nothing.

    Raises:
        LogError: the database refused.
    """
    quality = [{**asdict(row), "run_id": run_id} for row in audit.days]
    drift = [{**asdict(row), "model": audit.champion, "run_id": run_id} for row in audit.drift]
    with database.transaction(writes=True) as connection:
        for table, rows in ((FRAUD_DAILY_METRICS, quality), (FRAUD_DRIFT, drift)):
            days = {row["day"] for row in rows}
            connection.execute(sa.delete(table).where(table.c.day.in_(days)))
            if rows:
                connection.execute(sa.insert(table), rows)
