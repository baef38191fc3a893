"""The off-peak window, on clocks that jump."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tasks.sentiment.run.window import Window, describe_window

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("begins_at", "stop_at", "ends_at"),
    [
        # an ordinary night, and one that begins after midnight
        ("2026-11-21T22:00+01:00", "05:30", "2026-11-22T05:30+01:00"),
        ("2026-11-22T01:00+01:00", "05:30", "2026-11-22T05:30+01:00"),
        # begun exactly at its end: the next day's
        ("2026-11-22T05:30+01:00", "05:30", "2026-11-23T05:30+01:00"),
        # clocks go forward on 2026-03-29 at 02:00 (to 03:00)
        ("2026-03-28T22:00+01:00", "05:30", "2026-03-29T05:30+02:00"),
        ("2026-03-29T01:00+01:00", "02:30", "2026-03-29T03:00+02:00"),
        ("2026-03-29T01:00+01:00", "02:00", "2026-03-29T03:00+02:00"),
        ("2026-03-29T01:00+01:00", "03:00", "2026-03-29T03:00+02:00"),
        # clocks go back on 2026-10-25 at 03:00 (to 02:00)
        ("2026-10-24T22:00+02:00", "05:30", "2026-10-25T05:30+01:00"),
        ("2026-10-25T01:00+02:00", "02:30", "2026-10-25T02:30+02:00"),
        ("2026-10-25T02:45+02:00", "02:30", "2026-10-26T02:30+01:00"),
    ],
)
def test_window_ends_when_the_clock_on_the_wall_says_so(begins_at, stop_at, ends_at):
    """The end is the wall-clock time asked for, also in the nights when clocks change."""
    window = Window.until(time.fromisoformat(stop_at), BERLIN, datetime.fromisoformat(begins_at))

    assert window.ends_at == datetime.fromisoformat(ends_at)


@pytest.mark.parametrize("night", ["2026-03-28T22:00+01:00", "2026-10-24T22:00+02:00"])
def test_window_lets_no_part_start_that_would_end_late_when_clocks_change(night):
    """Walked minute by minute with a fake clock, every started part ends inside the window."""
    begins_at = datetime.fromisoformat(night)
    window = Window.until(time(5, 30), BERLIN, begins_at)
    paces = [(100, 600.0)]

    now, ended = begins_at.astimezone(UTC), []
    while window.fits(now, 100, paces):
        now += timedelta(minutes=10)
        ended.append(now)

    last = ended[-1].astimezone(BERLIN)
    assert last.replace(tzinfo=None) <= datetime.combine(last.date(), time(5, 30))
    hours = (ended[-1] - begins_at).total_seconds() / 3600
    assert hours == pytest.approx({3: 6.5, 10: 8.5}[begins_at.month], abs=0.35)


def test_window_expects_the_slowest_pace_seen():
    """One slow part is taken as a warning for all that follow."""
    window = Window(datetime(2026, 11, 22, 5, 30, tzinfo=UTC))
    now = datetime(2026, 11, 22, 5, 29, tzinfo=UTC)

    assert window.fits(now, 100, [(100, 10.0)])
    assert not window.fits(now, 100, [(100, 10.0), (100, 55.0)])
    assert not window.fits(now, 1_000, [(100, 10.0)])


def test_window_that_is_over_admits_nothing():
    """A run that starts late starts no part, even before any pace is known."""
    window = Window(datetime(2026, 11, 22, 5, 30, tzinfo=UTC))

    assert not window.fits(datetime(2026, 11, 22, 5, 30, tzinfo=UTC), 1, [])


def test_window_without_end_admits_everything():
    """Without --stop-at there is no window."""
    window = Window.until(None, BERLIN, datetime(2026, 11, 22, tzinfo=UTC))

    assert window.fits(datetime(2030, 1, 1, tzinfo=UTC), 10**9, [(1, 1e9)])


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (
            datetime(2026, 11, 22, 1, 30, tzinfo=UTC),
            "at 2026-11-22 05:30 Europe/Berlin, in 3 h 0 min",
        ),
        (
            datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
            "at 2026-11-22 05:30 Europe/Berlin, which is not today, in 16 h 0 min",
        ),
        (
            datetime(2026, 11, 22, 4, 30, tzinfo=UTC),
            "ended at 2026-11-22 05:30 Europe/Berlin: nothing",
        ),
    ],
)
def test_end_of_the_window_is_told_in_the_zone_of_its_clock(now, told):
    """Also that it is only tomorrow, or has passed: a run by hand would surprise with either."""
    window = Window(datetime(2026, 11, 22, 4, 30, tzinfo=UTC))

    assert told in str(describe_window(window, now, BERLIN))
    assert describe_window(Window(), now, BERLIN) is None
