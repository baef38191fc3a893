"""The telemetry record: what a device tells its collector about one interval of a run.

A record is a line of JSON. Its fields are defined here alone: the device fills a `Record`, the
collector reads one by the same types and rules, and its table has the columns that these give.
So a new field is one more line in `Record`, at the end and with a default, as older devices do not
send it; the device sets it in `Telemetry.flush`. Fields that a later version adds are left out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

from edge_detector.contract.names import DEVICE_ID, MODEL_NAME, SHA256, VERSION
from edge_detector.contract.rules import Entries, Form, Printable, Range
from edge_detector.contract.schema import read_json_line, read_value

FORMAT: Literal[1] = 1
MAX_RECORD_BYTES = 64 * 2**10
MAX_BATCH_BYTES = 2**20  # of records that are delivered together
MAX_LABELS = 256  # different ones in a record; the rarest are left out

State = Literal["ok", "no-frames", "rolled-back", "stuck"]  # the later, the worse
STATES: tuple[State, ...] = get_args(State)

Count = Annotated[int, Range(0, 10**12)]
Seconds = Annotated[float, Range(0, 10**10)]
Milliseconds = Annotated[float, Range(0, 10**9)]
Stage = Annotated[str, Form(r"[a-z_]{1,32}", "1 to 32 of a-z and _")]
Label = Annotated[str, Printable(1, 100)]
Words = Annotated[str, Printable(0, 64)]


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """Of a stage's duration."""

    p50: Milliseconds
    p99: Milliseconds


@dataclass(frozen=True, kw_only=True)
class RunningModel:
    """Which model a device runs."""

    name: Annotated[str, MODEL_NAME]
    version: Annotated[str, VERSION]
    sha256: Annotated[str, SHA256]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One interval of one device.

    seq: counts up, also over restarts. at: the end of the interval. latency_ms: by stage.
    detections: by label. model: None: nothing runs. state: the worst in the interval.
    lost: records that found no room on the device's disk, or that the collector refused, ever.
    """

    format: Literal[1]
    device: Annotated[str, DEVICE_ID]
    seq: Annotated[int, Range(1, 2**53)]
    at: datetime
    interval_s: Annotated[float, Range(1e-9, 100_000)]
    frames: Count
    fps: Annotated[float, Range(0, 10**6)]
    dropped: Count
    reopened: Count
    temperature_c: Annotated[float, Range(-100, 250)] | None
    state: State
    model: RunningModel | None
    runtime: Words
    offline_s: Seconds
    uptime_s: Seconds
    lost: Count = 0
    latency_ms: Annotated[Mapping[Stage, Percentiles], Entries(16)]
    detections: Annotated[Mapping[Label, Count], Entries(MAX_LABELS)]
    versions: Annotated[Mapping[Words, Words], Entries(16)]

    def to_object(self) -> dict[str, object]:
        """As an object of JSON, which `from_json` reads a line of."""
        return {**asdict(self), "at": format_instant(self.at)}

    @classmethod
    def from_json(cls, line: bytes) -> "Record":
        """Read a line.

        Raises:
            SchemaError: it is no record; names the field.
        """
        return read_value(read_json_line(line, "the line"), cls, "the record", lenient=True)


def format_instant(moment: datetime) -> str:
    """UTC as 2026-11-23T08:15:00.123Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
