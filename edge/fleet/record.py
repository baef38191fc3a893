"""A telemetry record as it may be believed: read from one line that a device sent.

A device is not trusted. Every field has a type, a range and a length; text holds printable
characters alone; a record is of the device that delivered it, and not from the future. One of a
device whose clock was not set is dated by its arrival. Fields that a later version of the device's
package adds are left out.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MAX_LINE_BYTES = 64 * 2**10
FIRST_YEAR = 2024  # clocks that were never set say 1970 or 2000
EPOCH_YEAR = 1970  # before which no clock of a device begins
FUTURE = timedelta(minutes=10)  # that a device's clock may be ahead
MAX_REASON = 300  # characters


class Rejected(Exception):
    """A line is not loaded; the message says why."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


Count = Annotated[int, Field(ge=0, le=10**12)]
Seconds = Annotated[float, Field(ge=0, le=10**10, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]
Stage = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_printable)]
Words = Annotated[str, StringConstraints(max_length=64), AfterValidator(_printable)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)


class Percentiles(_Part):
    """Of a stage's duration."""

    p50: Milliseconds
    p99: Milliseconds


class RunningModel(_Part):
    """Which model a device runs."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    version: str = Field(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Record(_Part):
    """One interval of one device, in the device's format 1."""

    format: Literal[1]
    device: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    seq: int = Field(ge=1, le=2**53)
    at: AwareDatetime  # the end of the interval
    interval_s: float = Field(gt=0, le=100_000, allow_inf_nan=False)
    frames: Count
    fps: float = Field(ge=0, le=10**6, allow_inf_nan=False)
    dropped: Count
    reopened: Count
    latency_ms: dict[Stage, Percentiles] = Field(max_length=16)
    temperature_c: float | None = Field(ge=-100, le=250, allow_inf_nan=False)
    detections: dict[Label, Count] = Field(max_length=256)
    model: RunningModel | None
    runtime: Words
    state: Literal["ok", "no-frames", "rolled-back", "stuck"]
    offline_s: Seconds
    uptime_s: Seconds
    lost: Count = 0
    versions: dict[Words, Words] = Field(max_length=16)


class Undated(Record):
    """A record of a device whose clock was not set: `at` is when it arrived."""

    said_at: datetime  # what the clock said; it tells two deliveries of one record


def read_record(
    line: bytes, device: str, received_at: datetime, arrived_at: datetime | None = None
) -> Record | Undated:
    """A line of JSON as a record.

    Args:
        device: who delivered it.
        received_at: no record is from after this, but for a clock that is a little ahead.
        arrived_at: dates a record whose device has no clock to go by; default: received_at.

    Raises:
        Rejected: it is no record, or cannot be true.
    """
    if len(line) > MAX_LINE_BYTES:
        raise Rejected(f"a line of {len(line):,} bytes; a record has at most {MAX_LINE_BYTES:,}")
    try:
        record = Record.model_validate_json(line)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        told = [_tell(fault["loc"], fault["msg"]) for fault in faults[:3]]
        more = f" and {len(faults) - 3} more faults" if len(faults) > 3 else ""
        raise Rejected(clean("; ".join(told), MAX_REASON) + more) from error
    if record.device != device:
        raise Rejected(f"it says that it is of device {record.device}")
    if record.at.year < EPOCH_YEAR:
        raise Rejected(f"at: {record.at:%Y-%m-%d} is before any clock begins")
    if record.at > received_at + FUTURE:
        raise Rejected(f"at: {record.at:%Y-%m-%d %H:%M} UTC is in the future")
    if record.at.year < FIRST_YEAR:
        dates = {"at": arrived_at or received_at, "said_at": record.at}
        return Undated.model_construct(**{**dict(record), **dates})
    return record


def clean(text: str, limit: int) -> str:
    """Text of a device, in one line of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:limit]


def _tell(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in place if part != "[key]")
    return f"{where}: {message}" if where else message
