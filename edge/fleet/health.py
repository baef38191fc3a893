"""Whether a device is well: a decision on figures alone.

silent: no record for long; late: none when one was due; degraded: it reports, and something is
wrong; ok. The first that holds, in this order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Health = Literal["ok", "degraded", "late", "silent"]
WORST_FIRST: tuple[Health, ...] = ("silent", "late", "degraded", "ok")
INTERVALS_LATE = 3  # that may be missing
HALVED = 0.5
HOURS_TO_COMPARE = 3


@dataclass(frozen=True)
class Limits:
    """What is still well. None: not judged."""

    late: timedelta = timedelta(minutes=15)
    silent: timedelta = timedelta(hours=24)
    max_temperature_c: float | None = 80.0
    max_p99_ms: float | None = None
    min_fps: float | None = None
    max_starts: int | None = 5  # in a day


@dataclass(frozen=True)
class Hour:
    """What a device reported in one hour."""

    hour: datetime
    frames: int
    seconds: float
    dropped: int
    starts: int  # of its process
    stuck: int  # records that say so
    rolled_back: int
    p99_ms: float | None  # the worst
    temperature_c: float | None  # the highest

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Device:
    """A device as its newest record shows it, and its last day, hour by hour."""

    device: str
    first_seen: datetime
    last_seen: datetime
    interval_s: float
    fps: float
    p99_ms: float | None
    temperature_c: float | None
    state: str
    model: str | None
    version: str | None
    runtime: str
    offline_s: float
    lost: int
    hours: Sequence[Hour] = ()

    @property
    def release(self) -> str:
        """For people: "parts 1.2.0"."""
        return f"{self.model} {self.version}" if self.model else "no model"

    @property
    def starts(self) -> int:
        """How often its process was started in the last day."""
        return sum(hour.starts for hour in self.hours)


@dataclass(frozen=True)
class Judgement:
    """How a device is, and why."""

    health: Health
    reason: str = ""


def judge(device: Device, limits: Limits, as_of: datetime) -> Judgement:
    """Say how a device is at an instant."""
    age = as_of - device.last_seen
    if age > limits.silent:
        return Judgement("silent", f"last heard of {format_age(age)} ago")
    due = max(limits.late, INTERVALS_LATE * timedelta(seconds=device.interval_s))
    if age > due:
        return Judgement("late", f"last heard of {format_age(age)} ago")
    reasons = list(_complaints(device, limits))
    return Judgement("degraded", "; ".join(reasons)) if reasons else Judgement("ok")


def _complaints(device: Device, limits: Limits) -> Sequence[str]:
    found = []
    if device.state == "no-frames":
        found.append("its camera gives no frames")
    if stuck := sum(hour.stuck for hour in device.hours):
        found.append(f"its interpreter was stuck, {stuck} times in a day")
    if any(hour.rolled_back for hour in device.hours):
        found.append("a new release failed on it, and it went back to the one before")
    if device.model is None:
        found.append("it runs no model")
    celsius, highest = device.temperature_c, limits.max_temperature_c
    if celsius is not None and highest is not None and celsius > highest:
        found.append(f"{celsius:.0f} °C; {highest:g} is the limit")
    p99, slowest = device.p99_ms, limits.max_p99_ms
    if p99 is not None and slowest is not None and p99 > slowest:
        found.append(f"one frame in a hundred takes {p99:,.0f} ms; {slowest:g} is the limit")
    if limits.min_fps is not None and device.fps < limits.min_fps:
        found.append(f"{device.fps:.1f} frames/s; {limits.min_fps:g} is the least")
    elif device.state == "ok" and device.fps < HALVED * (usual := _usual_fps(device.hours)):
        found.append(f"{device.fps:.1f} frames/s; {usual:.1f} is usual for it")
    if limits.max_starts is not None and device.starts > limits.max_starts:
        found.append(f"started {device.starts} times in a day")
    return found


def _usual_fps(hours: Sequence[Hour]) -> float:
    """The middle of its hourly rates; 0 if there are too few to say."""
    rates = sorted(hour.fps for hour in hours)
    return rates[len(rates) // 2] if len(rates) >= HOURS_TO_COMPARE else 0.0


def format_age(age: timedelta) -> str:
    """A length of time for people: 45 s, 12 min, 3 h, 5 days."""
    seconds = max(0.0, age.total_seconds())
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
