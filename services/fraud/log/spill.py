"""Rows of the log on disk until the database has them: a folder of files of JSON lines.

- A file belongs to the process that holds its lock; without a holder it is anybody's to load.
- A file comes into the folder under its lock, so that nobody takes it for a dead process's.
- Lines are added as a whole or not at all. A line that is not whole, as a power cut leaves, is
  told from the others.
- A line holds some rows of one table, and the names of their values. In files of earlier versions
  it is one row, by name.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import IO

import orjson

from services.fraud.log.rows import KINDS, Kind, Row

SUFFIX = ".jsonl"


class SpillFile:
    """The file of this process in a folder; nothing is made before the first line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: FileIO | None = None
        self._path = folder

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self._file.tell() if self._file else 0

    def append(self, lines: bytes) -> None:
        """Add lines. They outlive this process, and may not outlive a power cut.

        Raises: OSError: the disk is full, or the folder cannot be written.
        """
        if self._file is None:
            self._path, self._file = _create(self._folder)
        end = self._file.tell()
        try:
            if self._file.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        except OSError:
            self._file.truncate(end)
            self._file.seek(end)
            raise

    def release(self) -> Path:
        """Leave what was written to whichever process loads it; the next line begins a new file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        return self._path


def as_line(kind: Kind, rows: Sequence[Row]) -> bytes:
    """A line that holds rows of one kind.

    Raises: TypeError: a value that JSON does not know.
    """
    line = {"table": kind.table.name, "fields": kind.fields, "rows": rows}
    return orjson.dumps(line, default=tuple) + b"\n"  # a named tuple is no tuple to it


def read_line(line: bytes) -> tuple[Kind | None, list[Row]]:
    """The rows of a line; of one that is damaged no kind and one empty row."""
    try:
        found = orjson.loads(line)
        kind = KINDS[found["table"]]
        if "fields" not in found:  # of an earlier version
            found = {"fields": list(found), "rows": [list(found.values())]}
        places = {name: place for place, name in enumerate(found["fields"])}
        if missing := [name for name in kind.fields if name not in places]:
            # What is no field of earlier versions either is damage, and ends in a KeyError.
            later = [kind.defaults[name] for name in missing]
            places |= {name: len(places) + number for number, name in enumerate(missing)}
            found["rows"] = [[*row, *later] for row in found["rows"]]
        order = [places[name] for name in kind.fields]
        return kind, [tuple(row[place] for place in order) for row in found["rows"]]
    except (ValueError, KeyError, TypeError, LookupError):
        return None, [()]


def orphans(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """The files that no live process holds, the oldest first, each locked while it is out."""
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=_age):
        try:
            file = path.open("rb")
        except OSError:  # another process was quicker
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if os.fstat(file.fileno()).st_nlink:
                yield path, file


def _create(folder: Path) -> tuple[Path, FileIO]:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
    aside = folder / f".{name}.tmp"
    file = FileIO(aside, "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        aside.rename(folder / name)  # the lock goes with it
    except OSError:
        file.close()
        raise
    return folder / name, file


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
