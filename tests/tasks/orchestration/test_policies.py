"""What is tried again: a database that is busy, in all panels alike, and never one that is broken.

Each panel's own functions are asked, on a SQLite file that is locked and on a PostgreSQL that is
restarted in the middle of the work.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prefect.states import Failed
from sqlalchemy.pool import NullPool

from edge.fleet.database import Database as FleetDatabase
from edge.fleet.errors import FleetError
from edge.fleet.health import Limits as FleetLimits
from edge.fleet.run import CollectionRun, judge_devices, load_inbox
from services.fraud.audit.measures import Period
from services.fraud.audit.run import AuditRun, measure
from services.fraud.audit.verdict import Limits
from services.fraud.errors import FraudError, TransactionsError
from services.fraud.log.database import Database as LogDatabase
from tasks.orchestration.policies import DB_RETRY, is_transient
from tasks.sentiment.errors import SentimentError, SourceError
from tasks.sentiment.reading.reviews import Rejected
from tasks.sentiment.sql.warehouse import Warehouse
from tests.conftest import Restart
from tests.edge.fleet.records import NOON, a_record, line, put
from tests.services.fraud.answered import draw_traffic, write_traffic

DAY = date(2026, 11, 22)
Step = Callable[[], None]


@dataclass(frozen=True)
class Panel:
    """A panel's work on a database.

    prepare: makes its tables. write: writes one row, calling back in the middle of it, between
    two transactions or within one. table: what is written into, and how many rows it has then.
    """

    prepare: Callable[[str, Path], None]
    write: Callable[[str, Path, Step], None]
    table: str
    rows: int
    base: type[Exception]


def prepare_sentiment(url: str, _home: Path) -> None:
    Warehouse(url).prepare()


def write_sentiment(url: str, _home: Path, middle: Step) -> None:
    def rows() -> Iterator[Rejected]:
        yield Rejected(1, "toys.csv", None, "blank text", "")
        middle()
        yield from (Rejected(n, "toys.csv", None, "blank text", "") for n in range(2, 20_001))

    with closing(Warehouse(url)) as warehouse:
        warehouse.load_rejected("toys", DAY, "run-1", rows())


def prepare_fraud(url: str, _home: Path) -> None:
    LogDatabase(url).prepare()
    write_traffic(url, draw_traffic(DAY - timedelta(days=2), days=2, per_day=50, fraud_share=0.1))


def write_fraud(url: str, home: Path, middle: Step) -> None:
    period = Period(DAY, days=2, delay_days=0)
    measure(AuditRun(home, url, "run-1", period, Limits()), middle)


def prepare_fleet(url: str, home: Path) -> None:
    FleetDatabase(url).prepare()
    put(home / "inbox", "a.jsonl", *(line(a_record(n)) for n in range(1, 1_001)))
    put(home / "inbox", "b.jsonl", *(line(a_record(n)) for n in range(1_001, 1_501)))


def write_fleet(url: str, home: Path, middle: Step) -> None:
    run = CollectionRun(
        inbox=home / "inbox",
        home=home,
        url=url,
        run_id="run-1",
        as_of=NOON + timedelta(days=2),
        limits=FleetLimits(),
        keep=timedelta(days=30),
    )
    load_inbox(run, NOON + timedelta(days=2), lambda _files: middle())
    judge_devices(run)


PANELS = {
    "sentiment": Panel(
        prepare=prepare_sentiment,
        write=write_sentiment,
        table="rejected_reviews",
        rows=20_000,
        base=SentimentError,
    ),
    "fraud": Panel(
        prepare=prepare_fraud,
        write=write_fraud,
        table="fraud_daily_metrics",
        rows=2,
        base=FraudError,
    ),
    "fleet": Panel(
        prepare=prepare_fleet,
        write=write_fleet,
        table="device_telemetry",
        rows=1_500,
        base=FleetError,
    ),
}


@pytest.fixture(params=PANELS)
def panel(request: pytest.FixtureRequest) -> Panel:
    return PANELS[request.param]


def count(url: str, table: str) -> int:
    with sa.create_engine(url, poolclass=NullPool).connect() as connection:
        number: int = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
    return number


def nothing() -> None:
    pass


def test_locked_sqlite_is_tried_again(panel, tmp_path):
    """Another process writes for longer than a statement waits; when it has ended, all is well."""
    file = tmp_path / "triptych.db"
    url = f"sqlite:///{file}?timeout=0.05"
    panel.prepare(url, tmp_path)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(panel.base, match="database is locked") as caught:
            panel.write(url, tmp_path, nothing)
    assert is_transient(caught.value)

    panel.write(url, tmp_path, nothing)
    assert count(url, panel.table) == panel.rows


def test_restart_of_postgres_is_tried_again(
    panel: Panel, fresh_postgres_url: str, postgres_restart: Restart, tmp_path: Path
) -> None:
    """It stops in the middle of the work, is away, and comes back: nothing is lost or double."""
    panel.prepare(fresh_postgres_url, tmp_path)
    with pytest.raises(panel.base) as cut:
        panel.write(fresh_postgres_url, tmp_path, postgres_restart.stop)
    with pytest.raises(panel.base) as away:
        panel.write(fresh_postgres_url, tmp_path, nothing)
    postgres_restart.start()

    assert is_transient(cut.value), cut.value
    assert is_transient(away.value), away.value
    panel.write(fresh_postgres_url, tmp_path, nothing)
    assert count(fresh_postgres_url, panel.table) == panel.rows


def test_broken_database_is_not_tried_again(panel, tmp_path):
    """No waiting turns another file into a database."""
    file = tmp_path / "triptych.db"
    file.write_text("not a database, by far " * 100)

    with pytest.raises(panel.base, match="not a database") as caught:
        panel.prepare(f"sqlite:///{file}", tmp_path)
    assert not is_transient(caught.value)


@pytest.mark.parametrize(
    ("error", "is_tried_again"),
    [
        (OSError(5, "Input/output error"), True),
        (ConnectionError("reset"), True),
        (OSError(28, "No space left on device"), False),
        (PermissionError(13, "Permission denied"), False),
        (SourceError("no such file"), False),
        (TransactionsError("row 7"), False),
        (ValueError("a slip"), False),
    ],
)
def test_other_errors_are_tried_again_where_that_may_help(error, is_tried_again):
    """A network or a disk that stutters; neither bad data nor what somebody must act on."""
    assert is_transient(error) is is_tried_again


def test_tasks_ask_the_policy():
    """Prefect hands over a state, from which the error is taken."""
    condition: Any = DB_RETRY["retry_condition_fn"]
    assert condition(None, None, Failed(data=ConnectionError("reset")))
    assert not condition(None, None, Failed(data=ValueError("a slip")))
