"""Rows that the database did not take, on disk until it does: JSON lines, a file per process.

- A file belongs to the process that holds its lock; without a holder it is anybody's to load.
- A file comes into the folder under its lock, so that nobody takes it for a dead process's.
- Rows are added as a whole or not at all. A line that is not whole, as a power cut leaves, is
  told from the others.
"""

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import IO, Any

SUFFIX = ".jsonl"


class SpillFile:
    """The file of this process in a folder; nothing is made before the first row."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: FileIO | None = None

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add rows, each an object of JSON.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        if self._file is None:
            self._file = _create(self.folder)
        end = self._file.tell()
        try:
            if self._file.write(lines) != len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._file.name))
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(end)
            self._file.seek(end)
            raise

    def release(self) -> None:
        """Leave what was written to whoever loads it next."""
        if self._file is not None:
            self._file.close()
            self._file = None


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


def read_lines(file: IO[bytes]) -> Iterator[dict[str, Any] | None]:
    """The rows of a file in their order; None stands for a line that is none."""
    for line in file:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        yield row if isinstance(row, dict) else None


def _create(folder: Path) -> FileIO:
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
    return file


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
