"""The machine: its clock, its time zones, and room on the disk of the home."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from services.storage.files import nearest_folder
from tasks.operations.doctor.check import Check, fault, ok
from tasks.operations.troubles import FREE_BYTES, FREE_SHARE

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)  # this program is younger
TOLERANCE = timedelta(minutes=10)  # by which clocks of machines that share a home differ
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
_MEANING = (
    "signatures seem valid or expired that are not, and nights are run and filed under wrong dates"
)
_SET_CLOCK = "set it: timedatectl set-ntp true, or date -s '2026-12-31 12:00'"


def check_clock(home: Path, now: datetime) -> Check:
    """Against the age of this program and the newest file of the home."""
    if now < EARLIEST:
        told = f"the clock says {now:%Y-%m-%d %H:%M} UTC: that is before this program was written"
        return fault("clock", told, _MEANING, _SET_CLOCK)
    newest = max(_written(home), default=None)
    if newest is None:
        return ok("clock", f"{now:%Y-%m-%d %H:%M} UTC")
    at, file = newest
    if at > now + TOLERANCE:
        return fault(
            "clock",
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and {file} was written at"
            f" {at:%Y-%m-%d %H:%M}: it is behind, or was ahead then",
            _MEANING,
            f"{_SET_CLOCK}; if it is right, touch {file}",
        )
    return ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, later than all that is in the home")


def _written(home: Path) -> Iterator[tuple[datetime, Path]]:
    """When each file was written."""
    for folder, _, names in os.walk(home):
        for name in names:
            file = Path(folder) / name
            try:
                yield datetime.fromtimestamp(file.lstat().st_mtime, UTC), file
            except (OSError, OverflowError, ValueError):  # gone meanwhile; no instant at all
                continue


def check_time_zones() -> Check:
    """Whether schedules know their zones."""
    for zone in ZONES:
        try:
            ZoneInfo(zone)
        except (OSError, ValueError, LookupError) as error:
            return fault(
                "time zones",
                f"the zone {zone} cannot be read: {type(error).__name__}",
                "schedules do not know when their night begins",
                "pip install tzdata",
            )
    return ok("time zones", "known")


def check_disk(home: Path) -> Iterator[Check]:
    """Free bytes and free files, where the home lies, and whether it can be written."""
    place = nearest_folder(home)
    disk, files = shutil.disk_usage(place), os.statvfs(place)
    yield judge_disk(place, disk.free, disk.total)
    if files.f_files and files.f_favail < FREE_SHARE * files.f_files:
        yield fault(
            "disk",
            f"{files.f_favail:,} of {files.f_files:,} files (inodes) are free on the disk of"
            f" {place}",
            "no file can be made when none is left, though there are bytes",
            "delete many small files there: du --inodes -x / | sort -n | tail; triptych prune",
        )
    if not os.access(place, os.W_OK):
        yield fault(
            "disk",
            f"{place} cannot be written by this user",
            "no run can write its results",
            f"chown -R $(id -un) {place}, or set TRIPTYCH_HOME to a folder that can be written",
        )


def judge_disk(place: Path, free: int, total: int) -> Check:
    """Whether so many bytes are enough."""
    told = f"{free / 1e9:.1f} GB are free on the disk of {place}"
    if free < FREE_BYTES or free < FREE_SHARE * total:
        return fault(
            "disk",
            told,
            "runs fail when it is full, and answers wait in memory",
            "triptych prune shows what may go",
        )
    return ok("disk", told)
