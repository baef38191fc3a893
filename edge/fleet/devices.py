"""Reads the fleet out of SQL, and writes down how each device was judged."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from edge.fleet.database import Database
from edge.fleet.health import Device, Hour, Judgement
from edge.fleet.tables import DEVICE_TELEMETRY, DEVICES, REJECTED_TELEMETRY

WINDOW = timedelta(hours=24)


@dataclass(frozen=True)
class Rejection:
    """A line, or several, that could not be loaded."""

    device: str
    file: str
    line: int  # 0: the whole file
    lines: int
    reason: str
    excerpt: str
    rejected_at: datetime


def read_devices(
    database: Database, as_of: datetime, *, looking_back: bool = False
) -> list[Device]:
    """All devices ever heard of, by name, with the day that ends at an instant.

    looking_back: the instant is long past: each device as its newest record of until then shows
    it; one that has no such record any more, or had none yet, is left out.

    Raises:
        DatabaseError: the database refused.
    """
    table = DEVICE_TELEMETRY.c
    # Not always: a device's clock may be a little ahead.
    until = [table.at <= as_of] if looking_back else []
    by_hour = (
        sa.select(
            table.device,
            table.hour,
            sa.func.sum(table.interval_s).label("seconds"),
            sa.func.max(table.p99_ms).label("p99_ms"),
            sa.func.max(table.temperature_c).label("temperature_c"),
            sa.func.sum(table.frames).label("frames"),
            sa.func.sum(table.dropped).label("dropped"),
            # The first record of a process reports on all of its life so far.
            _count(table.uptime_s <= table.interval_s * 1.01 + 0.5).label("starts"),
            _count(table.state == "stuck").label("stuck"),
            _count(table.state == "rolled-back").label("rolled_back"),
        )
        .where(table.hour > as_of - WINDOW, table.hour <= as_of, *until)
        .group_by(table.device, table.hour)
        .order_by(table.device, table.hour)
    )
    fields = [name for name in Device.__dataclass_fields__ if name != "hours"]
    newest = _newest_until(as_of, fields) if looking_back else DEVICES
    query = sa.select(*[newest.c[name] for name in fields]).order_by(newest.c.device)
    hours: defaultdict[str, list[Hour]] = defaultdict(list)
    with database.transaction(writes=False) as connection:
        for row in connection.execute(by_hour):
            hours[row.device].append(_hour(row))
        rows = connection.execute(query).mappings().all()
    return [Device(**row, hours=tuple(hours[row["device"]])) for row in rows]


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _hour(row: sa.Row[Any]) -> Hour:
    return Hour(
        hour=row.hour,
        seconds=row.seconds,
        p99_ms=row.p99_ms,
        temperature_c=row.temperature_c,
        # PostgreSQL's sums of whole numbers are decimals.
        frames=int(row.frames),
        dropped=int(row.dropped),
        starts=int(row.starts),
        stuck=int(row.stuck),
        rolled_back=int(row.rolled_back),
    )


def _newest_until(as_of: datetime, fields: Sequence[str]) -> sa.Subquery:
    """The table of devices, as it was at an instant."""
    table = DEVICE_TELEMETRY.c
    place = sa.func.row_number().over(
        partition_by=table.device, order_by=(table.at.desc(), table.seq.desc())
    )
    named = {"first_seen": DEVICES.c.first_seen, "last_seen": table.at}
    columns = [(named[f] if f in named else table[f]).label(f) for f in fields]
    ranked = (
        sa.select(*columns, place.label("place"))
        .join(DEVICES, DEVICES.c.device == table.device)
        .where(table.at <= as_of)
        .subquery()
    )
    return sa.select(*[ranked.c[f] for f in fields]).where(ranked.c.place == 1).subquery()


def write_judgements(
    database: Database, judgements: Mapping[str, Judgement], judged_at: datetime
) -> None:
    """Write down the health of each device.

    Raises:
        DatabaseError: the database refused.
    """
    if not judgements:
        return
    update = (
        sa.update(DEVICES)
        .where(DEVICES.c.device == sa.bindparam("judged"))
        .values(
            health=sa.bindparam("found"), reason=sa.bindparam("why"), judged_at=sa.bindparam("when")
        )
    )
    rows = [
        {"judged": device, "found": judgement.health, "why": judgement.reason, "when": judged_at}
        for device, judgement in judgements.items()
    ]
    with database.transaction(writes=True) as connection:
        connection.execute(update, rows)


def read_rejections(database: Database, since: datetime, limit: int) -> Sequence[Rejection]:
    """What was rejected since an instant, the newest first.

    Raises:
        DatabaseError: the database refused.
    """
    table = REJECTED_TELEMETRY
    query = (
        sa.select(*[table.c[name] for name in Rejection.__dataclass_fields__])
        .where(table.c.rejected_at >= since)
        .order_by(table.c.rejected_at.desc(), table.c.device, table.c.file, table.c.line)
        .limit(limit)
    )
    with database.transaction(writes=False) as connection:
        return [Rejection(*row) for row in connection.execute(query)]
