"""The days on which no night runs, from one file of dates.

A line is a date or a range of dates, with a comment behind # if you like:

    2026-12-24..2026-12-26   # Christmas
    2027-01-01               # New Year
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tasks.settings import Settings

_DATE = r"(\d{4}-\d\d-\d\d)"
_LINE = re.compile(rf"{_DATE}(?:\s*(?:\.\.|…|–|-|\bto\b)\s*{_DATE})?")


@dataclass(frozen=True)
class BlackoutDays:
    """The days of a file.

    Attributes:
        ranges: first and last day of each, with its comment.
        wrong: what is wrong with each line, or with the file, that could not be read; it counts
            for nothing.
    """

    ranges: Sequence[tuple[date, date, str]] = ()
    wrong: Sequence[str] = ()

    def reason(self, day: date) -> str | None:
        """Why nothing runs on the day; None: it is like any other."""
        for first, last, comment in self.ranges:
            if first <= day <= last:
                return f"{day} is a blackout day{f' ({comment})' if comment else ''}"
        return None


def blackout_days(settings: Settings) -> BlackoutDays:
    """Those of the file that the settings name, which must be there, or of the home's."""
    named = settings.blackout_days
    if named is not None:
        missing = f"{named}, which TRIPTYCH_BLACKOUT_DAYS names, is not there"
        return read_blackout_days(named, missing)
    return read_blackout_days(settings.home / "blackout-days.txt")


def read_blackout_days(file: Path, missing: str = "") -> BlackoutDays:
    """The days in a file. missing: what is wrong if there is no file; by default nothing."""
    try:
        text = file.read_text("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return BlackoutDays(wrong=(missing,) if missing else ())
    except OSError as error:
        return BlackoutDays(wrong=(f"{file} cannot be read: {error.strerror}",))
    ranges, wrong = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        given, _, comment = line.partition("#")
        if not given.strip():
            continue
        try:
            ranges.append((*_read_range(given.strip()), comment.strip()))
        except ValueError as error:
            wrong.append(f"{file}, line {number}: {error}")
    return BlackoutDays(tuple(ranges), tuple(wrong))


def _read_range(given: str) -> tuple[date, date]:
    found = _LINE.fullmatch(given)
    if found is None:
        raise ValueError(f"{given!r} is no date: write 2026-12-24 or 2026-12-24..2026-12-26")
    try:
        first = date.fromisoformat(found[1])
        last = date.fromisoformat(found[2] or found[1])
    except ValueError as error:
        raise ValueError(f"{given!r} is no date: {error}") from error
    if last < first:
        raise ValueError(f"{given!r} ends before it begins")
    return first, last
