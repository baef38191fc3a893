"""A home in which all three panels have worked: small, and by the real code without Prefect."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from edge_detector.contract.manifest import Lineage

from edge.fleet.health import Limits
from edge.fleet.run import CollectionRun, judge_devices, load_inbox
from edge.release.publishing.request import BUNDLED_FOLDER
from services.fraud.log.database import Database
from services.fraud.log.rows import BATCHES
from services.fraud.log.tables import FRAUD_DAILY_METRICS, Batch
from services.fraud.scoring.registry import Registry
from services.storage.files import file_digest
from tasks.operations.lineage.made import remember_fraud, remember_release
from tasks.operations.lineage.model_records import read_object
from tasks.operations.lineage.models import BUNDLED_SENTIMENT
from tests.edge.fleet.records import a_record, line, put
from tests.edge.releases import make_release, make_repository
from tests.services.fraud.answered import a_card, draw_traffic, save_model, write_traffic
from tests.tasks.sentiment.small_run import Job, write_source

SENTIMENT_CARD = json.loads((BUNDLED_SENTIMENT / "triptych-sentiment" / "card.json").read_text())
DETECTOR_CARD = json.loads((BUNDLED_FOLDER / "card.json").read_text())
FRAUD_DATA = "fe" * 32
MEASURED = "da" * 32
DEVICE = "press-1"
BATCH, AUDIT = "batch-7", "a0d17000-0000-4000-8000-000000000001"


def make_home(home: Path) -> None:
    """A scored night, a fraud model with answers, a release with a device that runs it."""
    home.mkdir(parents=True)
    url = f"sqlite:///{home / 'triptych.db'}"
    score_a_night(home, url)
    answer(home, url)
    release(home, url)


def score_a_night(home: Path, url: str) -> None:
    source = write_source(home / "shop.csv", 50)
    Job(home, source, url, model_digest=SENTIMENT_CARD["digest"]).run()


def answer(home: Path, url: str) -> str:
    """A champion that was trained here, with the answers that it gave in a day."""
    card = a_card().model_copy(update={"data_digest": FRAUD_DATA})
    folder = home / "made"
    tag = save_model(home, folder, card)
    remember_fraud(home, tag, folder, Path("transactions.parquet"))
    Registry(home).promote(tag, "passed the gate")
    write_traffic(url, draw_traffic(date(2026, 11, 21), 1, per_day=20), model=tag)
    batch = Batch(BATCH, 20, 0, 1, tag, datetime.now(UTC).timestamp(), 4.0, "bd" * 32)
    audited = {"day": date(2026, 11, 21), "model": tag, "role": "answered", "run_id": AUDIT}
    audited |= {"answers": 20, "flagged": 1, "alerts": 1, "alert_budget": 10.0}
    audited |= {"labelled": 20, "frauds": 1, "auc_roc": 0.95, "average_precision": 0.68}
    database = Database(url)
    with database.transaction(writes=True) as connection:
        BATCHES.insert(connection, [batch])
        connection.execute(sa.insert(FRAUD_DAILY_METRICS), [audited])
    database.close()
    return tag


def release(home: Path, url: str) -> None:
    """The bundled network as parts 1.2.3, on a device that reports."""
    source = file_digest(BUNDLED_FOLDER / "model.keras")
    assert source is not None
    lineage = Lineage(
        source_sha256=source,
        data_sha256=MEASURED,
        code_version="0.1.0 (abc1234)",
        published_at="2026-11-20T12:00:00Z",
    )
    made = make_release("1.2.3", lineage=lineage)
    make_repository(home).publish(made)
    card = read_object(BUNDLED_FOLDER / "card.json") or {}
    remember_release(home, made.manifest, BUNDLED_FOLDER / "model.keras", card, "stable")
    now = datetime.now(UTC)
    runs = {"name": "parts", "version": "1.2.3", "sha256": made.manifest.model.sha256}
    records = [
        line(a_record(n, device=DEVICE, at=at.isoformat(), model=runs))
        for n, at in enumerate((now - timedelta(minutes=2), now - timedelta(minutes=1)), start=1)
    ]
    put(home / "telemetry", "a.jsonl", *records, device=DEVICE)
    collect(home, url, now)


def collect(home: Path, url: str, now: datetime) -> None:
    """Load what devices have sent, and judge them."""
    run = CollectionRun(
        inbox=home / "telemetry",
        home=home,
        url=url,
        run_id="test",
        as_of=now,
        limits=Limits(),
        keep=timedelta(days=90),
    )
    load_inbox(run, now, lambda files: None)
    judge_devices(run)
