"""What a stack of some weeks has to show, written into a young one: nights, an audit, a device."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import sqlalchemy as sa

from services.fraud.log.tables import FRAUD_DAILY_METRICS
from services.fraud.scoring.registry import Registry
from services.storage.database import Database
from tasks.sentiment.sql.tables import METADATA, SENTIMENT_RUNS, RunRow
from tests.edge.fleet.records import a_record, line, put
from tests.tasks.operations.worked import collect

SOURCE = "watched"
FEATURES = [57.16, 0, 0, 1, 57.16, 5, 48.9, 41, 54.1, 2, 0.0, 6, 0.0, 27, 0.0]


def write_history(home: Path, *, last: str = "finished") -> None:
    """A week of nights, of which the last ended so; an audit of the champion; a device's record."""
    url = f"sqlite:///{home / 'triptych.db'}"
    now = datetime.now(UTC)
    nights = [_night(now, age, "finished" if age else last) for age in range(7)]
    audit = {
        "day": (now - timedelta(days=1)).date(),
        "model": Registry(home).read().champion,
        "role": "answered",
        "run_id": "audit",
        "answers": 20,
        "flagged": 1,
        "alerts": 1,
        "alert_budget": 10.0,
        "labelled": 20,
        "frauds": 1,
        "auc_roc": 0.95,
        "average_precision": 0.68,
    }
    database = Database(url, patience_s=60)
    with database.transaction(writes=True) as connection:
        METADATA.create_all(connection)
        FRAUD_DAILY_METRICS.metadata.create_all(connection)
        connection.execute(sa.insert(SENTIMENT_RUNS), nights)
        connection.execute(sa.insert(FRAUD_DAILY_METRICS), [audit])
    database.close()
    record = a_record(1, device=SOURCE, at=now.isoformat())
    put(home / "telemetry", "a.jsonl", line(record), device=SOURCE)
    collect(home, url, now)


def _night(now: datetime, age: int, status: str) -> dict[str, object]:
    at = now - timedelta(days=age, minutes=1)
    row = RunRow(
        run_id=f"{SOURCE}-{age}",
        source=SOURCE,
        run_date=at.date(),
        status=status,
        model="bundled",
        model_digest="ab" * 32,
        precision="float32",
        rows_read=10,
        scored=9,
        rejected=1,
        positive_share=0.5,
        started_at=at,
        ended_at=at + timedelta(seconds=40),
    )
    return vars(row)


def ask_service(url: str) -> None:
    """An answer of each kind: for features, for a raw transaction, and for what is none."""
    now = datetime.now(UTC)
    raw = {
        "transaction_id": f"{now.timestamp():.6f}",
        "customer_id": "1",
        "terminal_id": "1",
        "amount": 12.5,
        "time": now.isoformat(),
    }
    for path, body in (
        ("/detect_fraud", {"transaction_data": FEATURES}),
        ("/score_transaction", raw),
        ("/detect_fraud", {"transaction_data": []}),
    ):
        httpx.post(f"{url}{path}", json=body, timeout=30)
