"""One run of the audit: what it reads, what it decides, and what it leaves."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path

import pandas as pd
import sqlalchemy as sa
from pydantic import SecretStr

from services.fraud.audit.answers import read_day
from services.fraud.audit.labels import LoadedLabels, load_labels
from services.fraud.audit.measures import Audit, Cards, Period, audit
from services.fraud.audit.nightly_snapshot import (
    LONGEST_PAUSE_S,
    WrittenSnapshot,
    snapshot_of_file,
    snapshot_of_log,
)
from services.fraud.audit.verdict import Limits, Verdict, enforce, judge
from services.fraud.errors import ModelError, ModelsUnavailable
from services.fraud.log.database import Database
from services.fraud.log.tables import FRAUD_DAILY_METRICS, FRAUD_DRIFT
from services.fraud.scoring.card import Card
from services.fraud.scoring.models import Models
from services.fraud.transactions.foreign import Reading


@dataclass(frozen=True)
class AuditRun:
    """What was asked for, and where things lie. `home` is absolute."""

    home: Path
    url: str = field(repr=False)  # it may hold a password
    run_id: str
    period: Period
    limits: Limits
    labels: Path | None = None
    transactions: Path | None = None
    reading: Reading | None = None  # how the transactions are read
    longest_pause_s: float = LONGEST_PAUSE_S  # in the log, before history counts as missing
    state_url: SecretStr | None = None  # of the database that several machines share

    @property
    def report(self) -> Path:
        name = f"{self.period.run_date.isoformat()}-{self.run_id[:8]}.html"
        return self.home / "fraud" / "reports" / name

    @property
    def models(self) -> Models:
        """Where models and their roles are."""
        return Models(self.home, self.state_url)

    @property
    def database(self) -> Database:
        """Each step opens its own."""
        return Database(self.url)


def load(run: AuditRun, received_at: datetime) -> LoadedLabels | None:
    """Load late labels, if a file was given.

    Raises:
        TransactionsError: the file cannot be read, or a row is wrong.
        LogError: the database refused.
    """
    return load_labels(run.labels, run.database, received_at) if run.labels else None


def snapshot(run: AuditRun, now: datetime | None = None) -> WrittenSnapshot | None:
    """Write the snapshot for the service; None if there is nothing to write it from.

    now: as in `snapshot_of_file`.

    Raises:
        TransactionsError, StateUnavailable: the file, or the snapshot so far, is no good.
        LogError: the database refused.
    """
    database = run.database
    database.prepare()
    if run.transactions:
        return snapshot_of_file(run.transactions, database, run.home, now, run.reading)
    day = run.period.run_date
    return snapshot_of_log(day, database, run.home, run.longest_pause_s)


def measure(run: AuditRun, advance: Callable[[], None]) -> Audit:
    """Measure the days of the period, and write the metrics; `advance` is called after each.

    Raises:
        ModelError: the registry is damaged.
        LogError: the database refused.
    """
    database = run.database
    database.prepare()

    def days() -> Iterator[tuple[date, pd.DataFrame]]:
        for day in run.period.all_days:
            yield day, read_day(database, day)
            advance()

    champion = run.models.registry().read().champion
    found = audit(days(), run.period, champion, cards_of(run.models))
    write_audit(database, found, run.run_id)
    return found


def write_audit(database: Database, audit: Audit, run_id: str) -> None:
    """Replace the metrics of the days that were measured; the same audit again changes nothing.

    Raises: LogError: the database refused.
    """
    quality = [{**asdict(row), "run_id": run_id} for row in audit.days]
    drift = [{**asdict(row), "model": audit.champion, "run_id": run_id} for row in audit.drift]
    with database.transaction(writes=True) as connection:
        for table, rows in ((FRAUD_DAILY_METRICS, quality), (FRAUD_DRIFT, drift)):
            days = {row["day"] for row in rows}
            connection.execute(sa.delete(table).where(table.c.day.in_(days)))
            if rows:
                connection.execute(sa.insert(table), rows)


def decide(run: AuditRun, found: Audit) -> Verdict:
    """Judge the champion, and block promotion or allow it again."""
    return enforce(judge(found, run.limits), run.models.registry(), found)


def cards_of(models: Models) -> Cards:
    """The cards of the models that there are, each read once; None for what is not there."""

    @cache
    def card(tag: str) -> Card | None:
        try:
            return Card.read(models.folder(tag))
        except ModelsUnavailable:  # it may be there
            raise
        except ModelError:
            return None

    return card
