"""A telemetry record as it may be believed: read from one line that a device sent.

A device is not trusted. Every field is as the contract says; a record is of the device that
delivered it, and not from the future. One of a device whose clock was not set is dated by its
arrival.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from edge_detector.contract.telemetry import MAX_RECORD_BYTES, Record
from edge_detector.errors import SchemaError

FIRST_YEAR = 2024  # clocks that were never set say 1970 or 2000
EPOCH_YEAR = 1970  # before which no clock of a device begins
FUTURE = timedelta(minutes=10)  # that a device's clock may be ahead
MAX_REASON = 300  # characters


class Rejected(Exception):
    """A line is not loaded; the message says why."""


@dataclass(frozen=True)
class Received:
    """A record that is believed.

    said_at: what a clock said that was not set; `record.at` is then when the record arrived, and
    this tells two deliveries of one record.
    """

    record: Record
    said_at: datetime | None = None


def read_record(
    line: bytes, device: str, received_at: datetime, arrived_at: datetime | None = None
) -> Received:
    """A line of JSON as a record.

    Args:
        device: who delivered it.
        received_at: no record is from after this, but for a clock that is a little ahead.
        arrived_at: dates a record whose device has no clock to go by; default: received_at.

    Raises:
        Rejected: it is no record, or cannot be true.
    """
    if len(line) > MAX_RECORD_BYTES:
        raise Rejected(f"a line of {len(line):,} bytes; a record has at most {MAX_RECORD_BYTES:,}")
    try:
        record = Record.from_json(line)
    except SchemaError as error:
        raise Rejected(clean(f"{error.field}: {error.without_value}", MAX_REASON)) from error
    if record.device != device:
        raise Rejected(f"it says that it is of device {record.device}")
    if record.at.year < EPOCH_YEAR:
        raise Rejected(f"at: {record.at:%Y-%m-%d} is before any clock begins")
    if record.at > received_at + FUTURE:
        raise Rejected(f"at: {record.at:%Y-%m-%d %H:%M} UTC is in the future")
    if record.at.year < FIRST_YEAR:
        return Received(replace(record, at=arrived_at or received_at), said_at=record.at)
    return Received(record)


def clean(text: str, limit: int) -> str:
    """Text of a device, in one line of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:limit]
