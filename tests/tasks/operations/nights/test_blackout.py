"""The file of blackout days: dates and ranges are obeyed, a wrong line is named."""

from datetime import date
from pathlib import Path

from tasks.operations.nights.blackout import blackout_days, read_blackout_days
from tasks.settings import Settings


def test_dates_and_ranges_are_obeyed(tmp_path):
    """With both ends, however the range is written; comments tell why."""
    file = tmp_path / "blackout-days.txt"
    file.write_text(
        "# the month's end\n\n2026-11-30  # books are closed\n2026-12-24..2026-12-26 # Christmas\n"
        "2026-12-31 to 2027-01-01\n2027-03-01 - 2027-03-02\n"
    )

    days = read_blackout_days(file)

    assert days.wrong == ()
    assert days.reason(date(2026, 11, 30)) == "2026-11-30 is a blackout day (books are closed)"
    for blacked in ("2026-12-24", "2026-12-26", "2027-01-01", "2027-03-02"):
        assert days.reason(date.fromisoformat(blacked))
    for free in ("2026-11-29", "2026-12-01", "2026-12-27", "2026-12-30", "2027-03-03"):
        assert days.reason(date.fromisoformat(free)) is None


def test_wrong_line_is_named_and_the_others_hold(tmp_path):
    """A typo lifts no other day."""
    file = tmp_path / "days"
    file.write_text("24.12.2026\n2026-13-01\n2026-12-26..2026-12-24\n2026-12-24\n")

    days = read_blackout_days(file)

    assert days.reason(date(2026, 12, 24))
    first, second, third = days.wrong
    assert first == (
        f"{file}, line 1: '24.12.2026' is no date: write 2026-12-24 or 2026-12-24..2026-12-26"
    )
    assert second.startswith(f"{file}, line 2: '2026-13-01' is no date: month")
    assert third == f"{file}, line 3: '2026-12-26..2026-12-24' ends before it begins"


def test_without_a_file_there_are_none(tmp_path):
    """As in a new home."""
    assert read_blackout_days(tmp_path / "none").reason(date(2026, 12, 24)) is None


def test_file_that_is_named_and_missing_or_no_file_is_told(tmp_path):
    """A slip in the setting would let nights run on every day; they run, and it is said."""
    for name, says in (("none", "TRIPTYCH_BLACKOUT_DAYS names, is not there"), (".", "be read: ")):
        days = blackout_days(Settings(home=tmp_path, blackout_days=tmp_path / name))
        assert days.ranges == () and len(days.wrong) == 1 and says in days.wrong[0]


def test_example_of_the_guide_is_read(tmp_path):
    """As an operator would copy it."""
    guide = (Path(__file__).parents[4] / "deployments" / "README.md").read_text("utf-8")
    (tmp_path / "days").write_text(guide.split("a range a line:\n\n```\n")[1].split("```")[0])

    days = read_blackout_days(tmp_path / "days")

    assert days.wrong == ()
    assert days.reason(date(2026, 12, 25)) == "2026-12-25 is a blackout day (Christmas)"
