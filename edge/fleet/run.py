"""One run of the collection: what it reads, what it decides, and what it leaves."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path

from edge.fleet.database import Database
from edge.fleet.devices import read_devices, read_rejections, write_judgements
from edge.fleet.health import Device, Judgement, Limits, judge
from edge.fleet.load import Loaded, forget, load
from edge.fleet.report import FleetReport
from edge.fleet.tables import DEVICE_TELEMETRY, DEVICES, REJECTED_TELEMETRY

REJECTIONS_SHOWN = 50


@dataclass(frozen=True)
class CollectionRun:
    """What was asked for, and where things lie."""

    inbox: Path
    home: Path
    url: str = field(repr=False)  # it may hold a password
    run_id: str
    as_of: datetime
    limits: Limits
    keep: timedelta
    looking_back: bool = False  # `as_of` was asked for, and is not now

    @property
    def report(self) -> Path:
        """The page of a day is written anew by each run of that day."""
        return self.home / "fleet" / "reports" / f"{self.as_of:%Y-%m-%d}.html"

    @property
    def database(self) -> Database:
        """Each step opens its own.

        Raises:
            DatabaseError: the address is wrong.
        """
        return Database(self.url)


def load_inbox(run: CollectionRun, now: datetime, advance: Callable[[int], None]) -> Loaded:
    """Load what has arrived, and forget what is too old.

    Raises:
        InboxError, DatabaseError: the inbox, or the database, cannot be used.
    """
    database = run.database
    database.prepare()
    loaded = load(database, run.inbox, now, advance)
    forget(database, now - run.keep)
    database.close()
    return loaded


def judge_devices(run: CollectionRun) -> list[tuple[Device, Judgement]]:
    """Say how each device is, and write it down; how it was, looking back, is only said.

    Raises:
        DatabaseError: the database refused.
    """
    database = run.database
    judged = [
        (device, judge(device, run.limits, run.as_of))
        for device in read_devices(database, run.as_of, looking_back=run.looking_back)
    ]
    if not run.looking_back:
        found = {device.device: judgement for device, judgement in judged}
        write_judgements(database, found, run.as_of)
    database.close()
    return judged


def compose(
    run: CollectionRun, loaded: Loaded, devices: list[tuple[Device, Judgement]]
) -> FleetReport:
    """Put together what a reader gets to see.

    Raises:
        DatabaseError: the database refused.
    """
    database = run.database
    rejections = read_rejections(database, run.as_of - timedelta(days=1), REJECTIONS_SHOWN)
    database.close()
    tables = ", ".join(table.name for table in (DEVICES, DEVICE_TELEMETRY, REJECTED_TELEMETRY))
    return FleetReport(
        run_id=run.run_id,
        as_of=run.as_of,
        devices=devices,
        loaded=loaded,
        rejections=rejections,
        where={
            "report": str(run.report),
            "inbox": str(run.inbox),
            "tables": f"{database.address}: {tables}",
        },
        parameters={
            **{f.name: getattr(run.limits, f.name) for f in fields(run.limits)},
            "keep": run.keep,
        },
    )
