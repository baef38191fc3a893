"""Where the files of a source on a run date lie, and the lock that one process holds on them."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any

from tasks.sentiment.errors import RunConflict
from tasks.sentiment.text import text_digest


@dataclass(frozen=True)
class RunFolder:
    """A source on a run date. `home` is absolute; all paths derive from these three."""

    home: Path
    source: str
    run_date: date

    @property
    def slug(self) -> str:
        """The source's name as part of a file name, unique to it."""
        slug = re.sub(r"[^A-Za-z0-9_]+", "-", self.source).strip("-")[:60]
        return slug if slug == self.source else f"{slug}-{text_digest(self.source)[:6]}"

    @property
    def staging(self) -> Path:
        """What is not published yet. Deleted once it is."""
        return self.home / "sentiment" / "staging" / self._date_folder / self.slug

    def staged(self, kind: str, number: int) -> Path:
        """The Parquet file of one partition in staging; kind: input, rejected or scores."""
        return self.staging / f"{kind}-{number:05d}.parquet"

    @property
    def scores(self) -> Path:
        return self.home / "sentiment" / "scores" / self._date_folder

    @property
    def rejected(self) -> Path:
        return self.home / "sentiment" / "rejected" / self._date_folder

    def report(self, run_id: str) -> Path:
        name = f"{self.run_date.isoformat()}-{self.slug}-{run_id[:8]}.html"
        return self.home / "sentiment" / "reports" / name

    @property
    def _date_folder(self) -> str:
        return f"run_date={self.run_date.isoformat()}"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folders for this process; a killed holder lets go of them.

        Raises: RunConflict: another live process holds it.
        """
        folder = self.home / "sentiment" / "locks"
        with locked(folder / f"{self._date_folder}-{self.slug}.lock", wait=False):
            yield


@contextmanager
def locked(file: Path, *, wait: bool) -> Iterator[None]:
    """Hold an advisory lock on `file`, which is made and stays.

    Raises: RunConflict: another process holds it and `wait` is false.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise RunConflict(
                f"process {holder} is at work here (lock {file}): wait for it to end"
            ) from error
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file so that it is there whole or not at all."""
    write_text(file, json.dumps(content, indent=1, ensure_ascii=False))


def write_text(file: Path, content: str) -> None:
    """Write a file so that it is there whole or not at all, even after a power cut."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(file) as handle:
        handle.write(content.encode())


@contextmanager
def written_aside(file: Path) -> Iterator[IO[bytes]]:
    """A file to write into, put in the place of `file` at the end of the block.

    On any error nothing of it stays: on a full disk, what was written so far is the room that
    the database needs to say so.

    Raises: OSError: it cannot be written; names `file`.
    """
    aside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(file)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError) and error.errno is not None and not error.filename:
            raise OSError(error.errno, os.strerror(error.errno), str(file)) from error
        raise
