"""Rows and positives per group of a column chosen for the report: per day, or per value.

Promises: memory is bounded whatever the column holds, and the tallies of partitions add up to the
same in any order.
"""

import hashlib
import heapq
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from services.reporting.excerpt import excerpt

GROUP_NAME_CHARS = 80
MAX_VALUES = 2_000
MAX_DAYS = 10_000  # 27 years
DATED_SHARE = 0.95  # from here on a column is one of dates, with a few odd cells

OTHER = "(other)"  # groups beyond the bound
NONE = "(none)"  # rows whose group cell is empty
_RESERVED = frozenset({OTHER, NONE})
_EMPTY_CELLS = frozenset({"", "nan", "NaN", "NaT", "None", "<NA>"})

Tally = Mapping[str, tuple[int, int]]

_ISO_DAY = re.compile(r"(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ]\d{2}:?\d{2}.*)?")
_AMAZON_DAY = re.compile(r"(\d{1,2}) (\d{1,2}), (\d{4})")
_UNIX = re.compile(r"(\d{10})(?:\d{3})?(?:\.0+)?")
_FIRST_UNIX_SECOND = 946_684_800  # 2000-01-01: below it ten digits are rather an ISBN
_LAST_UNIX_SECOND = 2_524_608_000  # 2050-01-01
_YEARS = range(1900, 2101)  # 0001 and 9999 stand for "unknown" in many systems


@dataclass(frozen=True)
class Groups:
    """A column counted twice, since only all rows together show whether it is one of dates.

    Kept are at most `MAX_DAYS` days, the newest, and `MAX_VALUES` values, picked by their hash.
    These are counted exactly; the others share the group `(other)`. Choosing the largest values
    instead would need all of them in memory, or depend on the order of the partitions.
    """

    by_value: Tally = field(default_factory=dict)
    by_day: Tally = field(default_factory=dict)
    dated: int = 0  # rows whose cell is a date
    undated: int = 0  # rows whose cell is something else, empty cells aside

    @property
    def are_days(self) -> bool:
        """Whether the column is one of dates."""
        return 0 < self.dated >= DATED_SHARE * (self.dated + self.undated)

    @property
    def tally(self) -> Tally:
        """Group -> (rows, positive): per day (YYYY-MM-DD) for a column of dates, else per value."""
        return self.by_day if self.are_days else self.by_value

    @classmethod
    def of(cls, cells: Sequence[object], positive: Sequence[bool]) -> "Groups":
        """Count the cells of a column; the arguments are parallel."""
        raw: dict[str, tuple[int, int]] = {}
        for cell, is_positive in zip(cells, positive, strict=True):
            _add(raw, str(cell)[: GROUP_NAME_CHARS + 1].strip(), (1, int(is_positive)))
        by_value: dict[str, tuple[int, int]] = {}
        by_day: dict[str, tuple[int, int]] = {}
        dated = undated = 0
        for text, counts in raw.items():
            name = "" if text in _EMPTY_CELLS else excerpt(text, GROUP_NAME_CHARS).strip()
            name = name or NONE
            day = NONE if name == NONE else day_of(text)
            if day is None:
                undated += counts[0]
            elif day != NONE:
                dated += counts[0]
            _add(by_value, name, counts)
            _add(by_day, day or OTHER, counts)
        return cls(
            by_value=_bound(by_value, MAX_VALUES, _name_rank),
            by_day=_bound(by_day, MAX_DAYS, _day_rank),
            dated=dated,
            undated=undated,
        )

    def merge(self, other: "Groups") -> "Groups":
        """The groups of both sets of rows together."""
        return Groups(
            by_value=_bound(_add_up(self.by_value, other.by_value), MAX_VALUES, _name_rank),
            by_day=_bound(_add_up(self.by_day, other.by_day), MAX_DAYS, _day_rank),
            dated=self.dated + other.dated,
            undated=self.undated + other.undated,
        )


def day_of(cell: str) -> str | None:
    """The day a cell names, as YYYY-MM-DD, or None when it is no date.

    Read are ISO dates and timestamps (the day as it is written, whatever the zone), the
    `02 28, 2014` of Amazon's review files, and Unix seconds and milliseconds (the day in UTC).
    """
    if match := _UNIX.fullmatch(cell):
        second = int(match[1])
        if _FIRST_UNIX_SECOND <= second < _LAST_UNIX_SECOND:
            return datetime.fromtimestamp(second, UTC).date().isoformat()
        return None
    if match := _ISO_DAY.fullmatch(cell):
        year, month, day = (int(part) for part in match.groups())
    elif match := _AMAZON_DAY.fullmatch(cell):
        month, day, year = (int(part) for part in match.groups())
    else:
        return None
    if year not in _YEARS:
        return None
    try:
        return date(year, month, day).isoformat()
    except ValueError:  # such as 30 February
        return None


def _add(tally: dict[str, tuple[int, int]], name: str, counts: tuple[int, int]) -> None:
    rows, positive = tally.get(name, (0, 0))
    tally[name] = (rows + counts[0], positive + counts[1])


def _add_up(first: Tally, second: Tally) -> dict[str, tuple[int, int]]:
    total = dict(first)
    for name, counts in second.items():
        _add(total, name, counts)
    return total


def _bound(tally: Mapping[str, tuple[int, int]], limit: int, rank: Callable[[str], int]) -> Tally:
    """The `limit` groups of lowest rank; the others summed up as `(other)`.

    Ranks do not depend on the counts. So a group that is dropped anywhere is beaten by `limit`
    groups in every larger set too, and a group that is kept has never lost a row.
    """
    kept = heapq.nsmallest(limit, (name for name in tally if name not in _RESERVED), key=rank)
    bounded = {name: tally[name] for name in sorted(kept)}
    if len(kept) < len(tally):
        for name in sorted(tally.keys() - bounded.keys()):
            _add(bounded, name if name == NONE else OTHER, tally[name])
    return bounded


def _name_rank(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def _day_rank(day: str) -> int:
    return -int(day.replace("-", ""))
