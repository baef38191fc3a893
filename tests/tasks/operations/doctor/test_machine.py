"""Clock, disk and time zones."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.operations.doctor import machine
from tasks.operations.doctor.check import State
from tasks.operations.doctor.machine import check_clock, check_time_zones, judge_disk


def test_clock_behind_the_newest_file_is_named_with_that_file(tmp_path):
    """By more than clocks of machines that share a home differ."""
    file, now = tmp_path / "pointer.json", datetime(2026, 11, 29, 12, tzinfo=UTC)
    file.touch()
    for ahead, state in ((timedelta(minutes=9), State.OK), (timedelta(days=2), State.FAULT)):
        at = (now + ahead).timestamp()
        os.utime(file, (at, at))
        check = check_clock(tmp_path, now)
        assert check.state is state
    assert f"{file} was written at 2026-12-01 12:00" in check.told
    assert "set it" in check.cure and f"touch {file}" in check.cure


@pytest.mark.parametrize(
    ("free", "total", "state"),
    [
        (2 << 30, 10 << 30, State.OK),
        (1 << 29, 10 << 30, State.FAULT),
        (20 << 30, 1_000 << 30, State.FAULT),  # 2% of a large one
    ],
)
def test_disk_that_is_nearly_full_is_a_fault(free, total, state):
    """By bytes or by share."""
    check = judge_disk(Path("/var"), free, total)
    assert check.state is state
    assert state is State.OK or "triptych prune" in check.cure


def test_missing_time_zones_are_named_with_what_to_install(monkeypatch):
    """As on a machine with neither a system database nor the package."""

    def unknown(zone: str) -> None:
        raise LookupError(zone)

    assert check_time_zones().state is State.OK
    monkeypatch.setattr(machine, "ZoneInfo", unknown)
    assert check_time_zones().cure == "pip install tzdata"
