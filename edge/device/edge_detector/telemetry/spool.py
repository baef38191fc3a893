"""Records on their way to the collector: on disk, bounded, and whole after any death.

- A record is a line. It is appended by one write and brought to the disk; what a power cut leaves
  of a half-written one is cut off when the spool is opened again.
- Files are named by the number of their first record, so that numbers go on after a restart; the
  last file stays, be it empty.
- Over `max_bytes` the oldest file goes, and its records are counted as lost.
- On a disk that is full or read-only, records are lost and counted until it takes some again.

One process uses a spool at a time; any number of its threads may.
"""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_detector.system.atomic import replace_file, sync_folder
from edge_detector.system.disk import FULL

_PARTS = 16  # about so many files make up a full spool
_SUFFIX = ".jsonl"
_LOST = "lost"


@dataclass(frozen=True)
class Batch:
    """Records that are sent together: lines of JSON. `name` tells them from all others here."""

    name: str
    body: bytes

    @property
    def records(self) -> int:
        return self.body.count(b"\n")


class Spool:
    """The records in one folder, which nobody else writes to."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Take up what an earlier process left; later, if the disk is full or read-only.

        Raises:
            OSError: the folder cannot be made or read for another reason.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._part_bytes = max(1, max_bytes // _PARTS)
        self._lock = threading.Lock()
        self.lost = 0  # records that were dropped for want of room, ever
        self._next = 1
        self._ready = False
        try:
            self._take_up()
        except OSError as error:
            if error.errno not in FULL:
                raise

    def append(self, write: Callable[[int], dict[str, object]]) -> int:
        """Append the record that `write` makes of its number; returns the number.

        A record that the disk refuses is lost and counted.
        """
        with self._lock:
            with suppress(OSError):  # else the next record is lost, too
                self._take_up()
            number = self._next
            line = json.dumps(write(number), allow_nan=False, separators=(",", ":")) + "\n"
            try:
                if not self._ready:
                    raise OSError("the disk is full")
                self._make_room(len(line))
                self._write(line.encode())
            except OSError:
                self.lost += 1
            return number

    def oldest(self) -> Batch | None:
        """The records to be sent next; None: all were, or none can be taken off the disk."""
        with self._lock:
            if not self._ready:
                return None
            files = [file for file in self._files() if file.stat().st_size]
            if not files:
                return None
            # Only while nothing older waits: or each attempt to send would leave a file.
            if len(files) == 1 and _first(files[0]) == _first(self._files()[-1]):
                self._begin_file()
            return Batch(files[0].stem, files[0].read_bytes())

    def forget(self, batch: Batch) -> None:
        """Drop a batch that has arrived."""
        with self._lock:
            (self._folder / f"{batch.name}{_SUFFIX}").unlink(missing_ok=True)

    def lose(self, batch: Batch) -> None:
        """Drop a batch that will never be taken, and count it as lost."""
        with self._lock:
            (self._folder / f"{batch.name}{_SUFFIX}").unlink(missing_ok=True)
            self._count_lost(batch.records)

    def _take_up(self) -> None:
        if self._ready:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in self._files():
            _cut_torn_line(file)
        files = self._files()
        if files:
            self._next = _first(files[-1]) + files[-1].read_bytes().count(b"\n")
        else:
            self._begin_file()
        self.lost += self._read_lost()
        self._ready = True

    def _files(self) -> list[Path]:
        """Oldest first."""
        return sorted(file for file in self._folder.glob(f"*{_SUFFIX}") if file.stem.isdecimal())

    def _begin_file(self) -> None:
        (self._folder / f"{self._next:012d}{_SUFFIX}").touch()
        sync_folder(self._folder)

    def _make_room(self, more: int) -> None:
        files = self._files()
        if (
            files
            and files[-1].stat().st_size > 0
            and files[-1].stat().st_size + more > self._part_bytes
        ):
            self._begin_file()
            files = self._files()
        size = sum(file.stat().st_size for file in files)
        for file in files[:-1]:
            if size + more <= self._max_bytes:
                return
            size -= file.stat().st_size
            records = file.read_bytes().count(b"\n")
            file.unlink()  # first: on a full disk, nothing can be counted before
            self._count_lost(records)

    def _write(self, line: bytes) -> None:
        file = self._files()[-1]
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            end = os.fstat(handle).st_size
            if os.write(handle, line) != len(line):
                os.ftruncate(handle, end)
                raise OSError(f"{file}: the disk is full")
            os.fsync(handle)
        finally:
            os.close(handle)
        self._next += 1

    def _count_lost(self, records: int) -> None:
        self.lost += records
        replace_file(self._folder / _LOST, f"{self.lost}\n".encode())

    def _read_lost(self) -> int:
        try:
            return int((self._folder / _LOST).read_text("ascii"))
        except (OSError, ValueError):
            return 0


def _first(file: Path) -> int:
    return int(file.stem)


def _cut_torn_line(file: Path) -> None:
    content = file.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(file, whole)
