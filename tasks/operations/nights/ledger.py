"""The table `nights`: what became of each night of each deployment, also of those that never ran.

One row per (deployment, night), in the database of the results. Beside it `night_schedules`: since
when a deployment's nights are due as they are now.
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

import sqlalchemy as sa

from services.storage.database import Database, create_missing
from services.storage.upsert import upsert_into
from services.storage.utc import UtcDateTime
from tasks.operations.nights.policy import Known, Night

_LOCK = 20_261_129  # any number, the same in every process

_METADATA = sa.MetaData()

NIGHTS = sa.Table(
    "nights",
    _METADATA,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("night", sa.Text, primary_key=True),  # what clocks of the schedule's zone showed
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("status", sa.Text, nullable=False),  # begun, done, failed, crashed or skipped
    sa.Column("reason", sa.Text, nullable=False),  # of skipped ones, or why it failed
    sa.Column("run_id", sa.Text, nullable=False),  # empty: there never was a run
    sa.Column("recorded_at", UtcDateTime, nullable=False),
)

SCHEDULES = sa.Table(
    "night_schedules",
    _METADATA,
    sa.Column("deployment", sa.Text, primary_key=True),
    sa.Column("schedules", sa.Text, nullable=False),  # in words
    sa.Column("since", UtcDateTime),  # null: since before it was first looked at
)


@dataclass(frozen=True)
class NightRow:
    """A row of `nights`."""

    deployment: str
    night: str
    due_at: datetime
    status: str
    reason: str
    run_id: str


class Ledger:
    """The table in one database. Every method raises StorageError, in one line."""

    def __init__(self, url: str) -> None:
        """Read the address; nothing is opened before the first method is called."""
        self._database = Database(url, patience_s=20.0)

    def prepare(self) -> None:
        """Create the tables that are not there."""
        with self._database.transaction(writes=False) as connection:
            there = sa.inspect(connection)
            if all(there.has_table(table.name) for table in _METADATA.sorted_tables):
                return
        with self._database.transaction(writes=True) as connection:
            create_missing(connection, _METADATA, _LOCK)

    def find(self, night: Night) -> Known | None:
        """What is known of a night."""
        table = NIGHTS.c
        query = sa.select(table.status, table.run_id).where(
            table.deployment == night.deployment, table.night == night.key
        )
        with self._database.transaction(writes=False) as connection:
            row = connection.execute(query).one_or_none()
        return Known(row.status, row.run_id) if row else None

    def record(self, night: Night, status: str, run_id: str = "", reason: str = "") -> None:
        """Write down what became of a night."""
        row = {
            "deployment": night.deployment,
            "night": night.key,
            "due_at": night.due,
            "status": status,
            "reason": reason,
            "run_id": run_id,
            "recorded_at": datetime.now(UTC),
        }
        with self._database.transaction(writes=True) as connection:
            connection.execute(upsert_into(NIGHTS, self._database.is_postgres), [row])

    def finish(self, run_id: str, status: str, reason: str = "") -> bool:
        """Write down how the night ended that a run has begun; whether it had begun one."""
        update = (
            sa.update(NIGHTS)
            .where(NIGHTS.c.run_id == run_id, NIGHTS.c.status == "begun")
            .values(status=status, reason=reason, recorded_at=datetime.now(UTC))
        )
        with self._database.transaction(writes=True) as connection:
            return bool(connection.execute(update).rowcount)

    def begun(self) -> list[str]:
        """The runs whose nights have begun, as far as is known."""
        query = sa.select(NIGHTS.c.run_id).where(NIGHTS.c.status == "begun")
        with self._database.transaction(writes=False) as connection:
            return list(connection.execute(query).scalars())

    def latest(self) -> list[NightRow]:
        """Each deployment's latest night that is over."""
        table = NIGHTS.c
        over = table.status != "begun"
        last = (
            sa.select(table.deployment, sa.func.max(table.due_at).label("due_at"))
            .where(over)
            .group_by(table.deployment)
            .subquery()
        )
        same = (table.deployment == last.c.deployment) & (table.due_at == last.c.due_at)
        names = [field.name for field in fields(NightRow)]
        query = sa.select(*(table[name] for name in names)).join(last, same).where(over)
        with self._database.transaction(writes=False) as connection:
            rows = [NightRow(**row._mapping) for row in connection.execute(query)]
        return sorted(rows, key=lambda row: row.deployment)

    def newest(self, deployment: str) -> datetime | None:
        """When the deployment's newest night was due that anything is known of."""
        query = sa.select(sa.func.max(NIGHTS.c.due_at)).where(NIGHTS.c.deployment == deployment)
        with self._database.transaction(writes=False) as connection:
            found: datetime | None = connection.execute(query).scalar_one()
        return found

    def scheduled_since(self, deployment: str, schedules: str, now: datetime) -> datetime | None:
        """Since when the deployment's nights are due so; None: since before that was looked at.

        schedules: in words; where others are known, it is so from now on.
        """
        table = SCHEDULES.c
        query = sa.select(table.schedules, table.since).where(table.deployment == deployment)
        with self._database.transaction(writes=False) as connection:
            known = connection.execute(query).one_or_none()
        if known is not None and known.schedules == schedules:
            since: datetime | None = known.since
            return since
        row = {"deployment": deployment, "schedules": schedules, "since": known and now}
        with self._database.transaction(writes=True) as connection:
            connection.execute(upsert_into(SCHEDULES, self._database.is_postgres), [row])
        return now if known else None

    def close(self) -> None:
        """Close the connections; the next method opens new ones."""
        self._database.close()
