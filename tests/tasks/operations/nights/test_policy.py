"""Which nights are run: by policy, once each, over a year of three zones' clocks."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from prefect.server.schemas.schedules import CronSchedule

from tasks.operations.nights.policy import (
    Known,
    Night,
    is_missed,
    nights_without_run,
    policy_of,
    reason_to_skip,
)
from tasks.sentiment.run.window import Window

BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)  # 01:30 in Berlin
NIGHT = Night("score-sentiment/nightly", DUE, BERLIN)
DAY = timedelta(days=1)


def test_night_in_time_is_run_whatever_the_policy():
    """A few minutes late is in time."""
    for policy in ("skip", "newest", "all"):
        now = DUE + timedelta(minutes=20)
        assert reason_to_skip(NIGHT, policy, now, [DUE + DAY], None, None) is None


def test_missed_night_is_skipped_if_so_declared():
    """With how late it came."""
    reason = reason_to_skip(NIGHT, "skip", DUE + timedelta(hours=7), [], None, None)
    assert reason == "Missed: it was due 7 h ago."


def test_night_with_a_window_is_missed_when_that_is_over():
    """And not before: what is left of it is used."""
    windowed = replace(NIGHT, ends_at=DUE + timedelta(hours=4))
    assert reason_to_skip(windowed, "skip", DUE + timedelta(hours=3), [], None, None) is None
    assert is_missed(windowed, DUE + timedelta(hours=4))


def test_of_several_missed_nights_the_newest_is_run():
    """A machine that was off over the weekend does not begin three nights at once."""
    nights = [DUE + days * DAY for days in range(3)]
    now = nights[-1] + timedelta(hours=9)
    reasons = {
        policy: [
            reason_to_skip(replace(NIGHT, due=due), policy, now, [*nights, now + DAY], None, None)
            for due in nights
        ]
        for policy in ("newest", "all")
    }
    newer = "Missed, and a newer night is due, that of 2026-11-25 01:30."
    assert reasons == {"newest": [newer, newer, None], "all": [None, None, None]}


def test_night_that_another_run_has_done_is_not_done_again():
    """Nor one that is being done; one that failed is."""
    for status, skipped in {"done": True, "begun": True, "failed": False, "crashed": False}.items():
        reason = reason_to_skip(NIGHT, "all", DUE, [], Known(status, "run-1"), None)
        assert (reason is not None) == skipped


def test_blackout_day_goes_before_every_policy():
    """With its reason."""
    for policy in ("skip", "newest", "all"):
        reason = reason_to_skip(NIGHT, policy, DUE, [], None, "2026-11-23 is a blackout day")
        assert reason == "2026-11-23 is a blackout day."


@pytest.mark.parametrize(
    ("policy", "run", "skip"), [("skip", 0, 4), ("newest", 1, 3), ("all", 4, 0)]
)
def test_nights_that_nobody_planned_follow_the_policy(policy, run, skip):
    """Prefect plans three nights ahead; its server was away for a week."""
    due = [DUE + days * DAY for days in range(7)]
    to_run, to_skip = nights_without_run(due, lambda each: each in due[:3], policy)
    assert (len(to_run), len(to_skip)) == (run, skip)
    assert set(to_run) | set(to_skip) == set(due[3:])
    assert not to_run or due[-1] in to_run


def test_newest_night_that_is_planned_is_not_run_twice():
    """Only older ones were missed."""
    due = [DUE, DUE + DAY]
    assert nights_without_run(due, lambda each: each == due[1], "newest") == ([], [DUE])


def test_policy_is_read_from_the_tags():
    """A word that is none of the three is named."""
    assert policy_of(["batch", "missed=newest"]) == "newest"
    assert policy_of(["batch"]) is None
    with pytest.raises(ValueError, match=r"'missed=latest' is none of missed=skip"):
        policy_of(["missed=latest"])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("at", [time(1, 30), time(2, 15)])
def test_each_date_of_a_year_has_one_night(zone, at):
    """By Prefect's own schedule, asked every other day as its server does: an hour that clocks skip
    still has its night, and one that they repeat has it once."""
    clocks = ZoneInfo(zone)
    schedule = CronSchedule(cron=f"{at.minute} {at.hour} * * *", timezone=zone)
    first = datetime(2026, 1, 1, tzinfo=clocks)
    done: dict[str, Known] = {}
    nights: Counter[date] = Counter()

    def arrive(due: datetime) -> None:
        night = Night("nightly", due, clocks, Window.until(time(5, 30), clocks, due).ends_at)
        known = done.get(night.key)
        if reason_to_skip(night, "skip", due, [], known, None) is None:
            done[night.key] = Known("done", "run")
            nights[due.astimezone(clocks).date()] += 1

    planned: set[datetime] = set()
    for day in range(0, 365, 2):
        now = (first + timedelta(days=day)).astimezone(UTC)
        dates = asyncio.run(schedule.get_dates(3, start=now))
        planned |= {datetime.fromtimestamp(date.timestamp(), UTC) for date in dates}
    for due in sorted(planned):
        arrive(due)
        arrive(due)  # Prefect has made two runs for it
        again = (due + timedelta(hours=1)).astimezone(clocks)
        if again.fold:  # clocks show the same time once more: a schedule may take it for a date
            arrive(again)

    year = [first.date() + timedelta(days=day) for day in range(365)]
    assert [nights[day] for day in year] == [1] * 365
    assert max(nights.values()) == 1
