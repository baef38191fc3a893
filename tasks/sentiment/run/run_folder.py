"""Where the files of a source on a run date lie, and the lock that one process holds on them."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from services.storage.files import write_text
from services.storage.locks import Held, held
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
    def lock(self, patience_s: float = 0.0) -> Iterator[None]:
        """Hold the folders for this process; a killed holder lets go of them.

        patience_s: how long another holder is waited for. A run that begins looks for a moment
            whether one of another date is alive.

        Raises: RunConflict: another live process holds it.
        """
        folder = self.home / "sentiment" / "locks"
        with locked(folder / f"{self._date_folder}-{self.slug}.lock", patience_s):
            yield


@contextmanager
def locked(file: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Hold an advisory lock on `file`, which is made and stays.

    Raises: RunConflict: another process holds it.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(held(file, patience_s))
        except Held as error:
            raise RunConflict(
                f"process {error.holder or 'unknown'} is at work here (lock {file}): wait for it to"
                " end"
            ) from error
        yield


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file so that it is there whole or not at all."""
    write_text(file, json.dumps(content, indent=1, ensure_ascii=False))
