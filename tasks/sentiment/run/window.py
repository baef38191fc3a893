"""The off-peak window: when it ends, and whether a partition still fits into it.

Decides from values alone; the caller brings the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

MARGIN = 1.2  # a partition is expected to take this many times what the slowest so far took per row


@dataclass(frozen=True)
class Window:
    """The end of the off-peak window as an instant in UTC; None: no end."""

    ends_at: datetime | None = None

    @classmethod
    def until(cls, stop_at: time | None, zone: ZoneInfo, begins_at: datetime) -> "Window":
        """The window that begins at `begins_at` (aware) and ends when clocks of `zone` next
        show `stop_at`.

        In the night when clocks go forward and skip `stop_at`, it ends at the instant of the
        change; in the night when they go back and show it twice, at the first of the two.
        """
        if stop_at is None:
            return cls()
        local = begins_at.astimezone(zone)
        for day in range(3):
            wall = datetime.combine(local.date() + timedelta(days=day), stop_at)
            instant = _first_instant(wall, zone)
            if instant > begins_at:
                return cls(instant)
        raise AssertionError("a clock shows every time of day within three days")

    def fits(self, now: datetime, rows: int, done: Sequence[tuple[int, float]]) -> bool:
        """Whether a partition of `rows` rows that starts `now` would end in time.

        done: rows and seconds of each finished partition.


        Expects the pace per row of the slowest partition so far, and a margin. Before any pace is
        known, a partition may start as long as the window is open.
        """
        if self.ends_at is None:
            return True
        per_row = max((seconds / count for count, seconds in done if count), default=0.0)
        return now + timedelta(seconds=per_row * rows * MARGIN) < self.ends_at


def describe_window(window: Window, now: datetime, zone: ZoneInfo) -> str | None:
    """When the window ends and what that means, in a sentence; None: it has no end."""
    if window.ends_at is None:
        return None
    local, left = window.ends_at.astimezone(zone), window.ends_at - now
    when = f"{local:%Y-%m-%d %H:%M} {zone}"
    if left <= timedelta(0):
        return f"The window ended at {when}: nothing is scored, and the run ends as stopped."
    hours, minutes = divmod(round(left.total_seconds() / 60), 60)
    day = "" if local.date() == now.astimezone(zone).date() else ", which is not today"
    return (
        f"The window ends at {when}{day}, in {hours} h {minutes} min: until then parts are scored,"
        " and none starts that would not end in time."
    )


def _first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks of `zone` show `wall`, or have just skipped it."""
    before, after = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if before <= after:  # an ordinary time, or the first of two
        return before
    # A skipped time. Read with fold=1 it lies before the change, with fold=0 after it, by as much
    # as the clocks jump; the change itself is the instant in between at which the offset turns.
    early, late = after, before
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == early.astimezone(zone).utcoffset():
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)
