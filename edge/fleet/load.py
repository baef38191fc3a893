"""Loads what has arrived in the inbox into SQL.

- A record is loaded once, however often it was delivered: by device, number and the time that the
  device gave it.
- A line, or a file, that is no good is counted and kept in `rejected_telemetry`; it stops neither
  the others of its file nor another device's.
- A file leaves the inbox after its rows are committed. Killed in between, the next run finds it
  again, and adds nothing.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from edge.fleet.database import Database
from edge.fleet.devices import Rejection
from edge.fleet.inbox import Arrival, list_devices, list_files, read_arrivals, remove, sweep
from edge.fleet.record import FIRST_YEAR, Received, Rejected, clean, read_record
from edge.fleet.tables import DEVICE_TELEMETRY, DEVICES, REJECTED_TELEMETRY, SHOWN, telemetry_row
from services.storage.upsert import insert_into

FILES_PER_DEVICE = 2_000  # in one run: one device cannot keep the others waiting
RECORDS_PER_TRANSACTION = 1_000
REASONS_PER_FILE = 20
REJECTED_PER_DEVICE = 1_000  # rows that are kept, the newest
MAX_EXCERPT = 300  # characters


@dataclass
class Loaded:
    """What a run has loaded."""

    files: int = 0
    records: int = 0  # new ones
    known: int = 0  # that had been loaded before
    rejected: int = 0  # lines, or whole files
    undated: int = 0  # new records of devices whose clock was not set
    staying: int = 0  # files that were loaded and cannot be removed
    devices: set[str] = field(default_factory=set)  # of which something was loaded


_Key = tuple[int, datetime]  # number, and what the device's clock said


def count_files(inbox: Path) -> int:
    """How many files `load` will read.

    Raises:
        InboxError: the inbox cannot be read.
    """
    return sum(min(len(list_files(folder)), FILES_PER_DEVICE) for folder in list_devices(inbox))


def load(
    database: Database,
    inbox: Path,
    received_at: datetime,
    advance: Callable[[int], None] = lambda _files: None,
) -> Loaded:
    """Load all files of the inbox; `advance` is told of files that are done.

    Raises:
        InboxError: the inbox cannot be read.
        DatabaseError: the database refused; nothing is lost, run it again.
    """
    loaded = Loaded()
    for folder in list_devices(inbox):
        for arrivals in _batches(read_arrivals(folder, FILES_PER_DEVICE)):
            _load_batch(database, arrivals, received_at, loaded)
            loaded.staying += sum(not remove(arrival) for arrival in arrivals)
            advance(len(arrivals))
        sweep(folder, time.time())
    return loaded


def _batches(arrivals: Iterator[Arrival]) -> Iterator[list[Arrival]]:
    batch: list[Arrival] = []
    lines = 0
    for arrival in arrivals:
        batch.append(arrival)
        lines += 1 + arrival.content.count(b"\n")
        if lines >= RECORDS_PER_TRANSACTION:
            yield batch
            batch, lines = [], 0
    if batch:
        yield batch


def _load_batch(
    database: Database, arrivals: Sequence[Arrival], received_at: datetime, loaded: Loaded
) -> None:
    """Load files of one device in one transaction."""
    records: dict[_Key, Received] = {}
    rejections: list[Rejection] = []
    total = 0
    for arrival in arrivals:
        found, faults = _read_lines(arrival, received_at)
        total += len(found)
        for received in found:
            records.setdefault(_key(received), received)
        rejections += faults
    with database.transaction(writes=True) as connection:
        new = undated = 0
        for key in _known_undated(connection, arrivals[0].device, records):
            del records[key]
        if records:
            new, undated = _insert(database, connection, records.values(), received_at)
            _update_device(database, connection, records.values(), received_at)
        if rejections:
            _insert_rejections(database, connection, rejections)
    loaded.files += len(arrivals)
    loaded.records += new
    loaded.known += total - new
    loaded.undated += undated
    loaded.rejected += sum(rejection.lines for rejection in rejections)
    if total:
        loaded.devices.add(arrivals[0].device)


def _read_lines(arrival: Arrival, received_at: datetime) -> tuple[list[Received], list[Rejection]]:
    device, name = arrival.device, arrival.name
    if arrival.fault is not None:
        excerpt = _excerpt(arrival.content)
        return [], [Rejection(device, name, 0, 1, arrival.fault, excerpt, received_at)]
    records: list[Received] = []
    rejections: list[Rejection] = []
    more = 0
    # A share's clock may be as wrong as the device's.
    arrived_at = arrival.arrived_at if arrival.arrived_at.year >= FIRST_YEAR else received_at
    arrived_at = min(arrived_at, received_at)
    for number, line in enumerate(arrival.content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            records.append(read_record(line, device, received_at, arrived_at))
        except Rejected as reason:
            if len(rejections) < REASONS_PER_FILE:
                rejections.append(
                    Rejection(device, name, number, 1, str(reason), _excerpt(line), received_at)
                )
            else:
                more += 1
    if more:
        like_these = f"{more:,} more lines like these"
        rejections.append(Rejection(device, name, 0, more, like_these, "", received_at))
    return records, rejections


def _known_undated(
    connection: sa.Connection, device: str, records: Mapping[_Key, Received]
) -> set[_Key]:
    """Which records without a date of their own were loaded before: their key does not tell."""
    undated = {key for key, received in records.items() if received.said_at is not None}
    if not undated:
        return undated
    table = DEVICE_TELEMETRY.c
    query = sa.select(table.seq, table.said_at).where(
        table.device == device,
        table.seq.in_([seq for seq, _ in undated]),
        table.said_at.is_not(None),
    )
    return undated & {(seq, said_at) for seq, said_at in connection.execute(query)}


def _insert(
    database: Database,
    connection: sa.Connection,
    records: Collection[Received],
    received_at: datetime,
) -> tuple[int, int]:
    """Insert the records that are new; returns how many were, and how many of them undated."""
    rows = [telemetry_row(received, received_at) for received in records]
    insertion = insert_into(DEVICE_TELEMETRY, database.is_postgres).on_conflict_do_nothing()
    found = connection.execute(insertion.returning(DEVICE_TELEMETRY.c.said_at), rows).all()
    return len(found), sum(said_at is not None for (said_at,) in found)


def _update_device(
    database: Database,
    connection: sa.Connection,
    records: Collection[Received],
    received_at: datetime,
) -> None:
    """Let a device's row show its newest record; late ones from before change nothing of it."""
    newest = _newest(records)
    device, at = newest.record.device, newest.record.at
    row = telemetry_row(newest, received_at)
    shown = {name: row[name] for name in SHOWN}
    first = min(received.record.at for received in records)
    known = connection.execute(
        sa.select(DEVICES.c.first_seen, DEVICES.c.last_seen)
        .where(DEVICES.c.device == device)
        .with_for_update()
    ).one_or_none()
    if known is None:
        insertion = insert_into(DEVICES, database.is_postgres).on_conflict_do_nothing()
        seen = {"device": device, "first_seen": first, "last_seen": at}
        connection.execute(insertion, [{**seen, **shown}])
        return
    values: dict[str, object] = {"first_seen": min(first, known.first_seen)}
    if at >= known.last_seen:
        values |= {"last_seen": at, **shown}
    update = sa.update(DEVICES).where(DEVICES.c.device == device).values(values)
    connection.execute(update)


def _insert_rejections(
    database: Database, connection: sa.Connection, rejections: Sequence[Rejection]
) -> None:
    insertion = insert_into(REJECTED_TELEMETRY, database.is_postgres)
    connection.execute(insertion.on_conflict_do_nothing(), [vars(each) for each in rejections])
    # A device that sends nothing but rubbish fills no disk with it.
    table, device = REJECTED_TELEMETRY.c, rejections[0].device
    kept = (
        sa.select(table.rejected_at)
        .where(table.device == device)
        .order_by(table.rejected_at.desc())
        .offset(REJECTED_PER_DEVICE)
        .limit(1)
    )
    oldest = connection.execute(kept).scalar_one_or_none()
    if oldest is not None and oldest < rejections[0].rejected_at:
        connection.execute(
            sa.delete(REJECTED_TELEMETRY).where(table.device == device, table.rejected_at <= oldest)
        )


def forget(database: Database, before: datetime) -> int:
    """Delete records and rejections from before an instant; returns how many records.

    Devices stay: one that has been silent for long is what a reader wants to know.

    Raises:
        DatabaseError: the database refused.
    """
    with database.transaction(writes=True) as connection:
        deletion = sa.delete(DEVICE_TELEMETRY).where(DEVICE_TELEMETRY.c.hour < before)
        records = connection.execute(deletion).rowcount
        connection.execute(
            sa.delete(REJECTED_TELEMETRY).where(REJECTED_TELEMETRY.c.rejected_at < before)
        )
    return int(records)


def _newest(records: Collection[Received]) -> Received:
    # Where some arrived without a date, the device's count alone gives their order.
    if any(received.said_at is not None for received in records):
        return max(records, key=lambda received: received.record.seq)
    return max(records, key=lambda received: (received.record.at, received.record.seq))


def _key(received: Received) -> _Key:
    """What tells a record of a device from its others."""
    return received.record.seq, received.said_at or received.record.at


def _excerpt(content: bytes) -> str:
    return clean(content[: 2 * MAX_EXCERPT].decode("utf-8", "replace"), MAX_EXCERPT)
