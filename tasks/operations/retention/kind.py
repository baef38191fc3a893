"""A kind of thing that grows old: what there is of it, and what would go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from services.fraud.scoring.models import Models
from tasks.operations.retention.holds import Holds, read_holds


@dataclass(frozen=True)
class Rules:
    """For how many days things are kept, and how many at least, whatever their age."""

    nights_days: int
    nights_keep: int
    taken_back_days: int
    answers_days: int
    models_days: int
    models_keep: int
    reports_days: int
    reports_keep: int


@dataclass(frozen=True)
class Place:
    """Where things lie and what is held. `now` is aware; `scores_url` is that of the bucket that
    has what is published, if there is one."""

    home: Path
    url: str
    rules: Rules
    holds: Holds
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    scores_url: str | None = None
    fraud_state_url: SecretStr | None = None  # of the database that several machines share

    @property
    def models(self) -> Models:
        """The fraud models, of this home or shared."""
        return Models(self.home, self.fraud_state_url)

    def before(self, days: int) -> datetime:
        """What is older than so many days is from before this."""
        return self.now - timedelta(days=days)

    def now_held(self) -> Self:
        """The same, with what is held at this moment. Raises: RetentionError: as `read_holds`."""
        return replace(self, holds=read_holds(self.home))


@dataclass(frozen=True)
class Gone:
    """What went of a kind: how many, and their bytes on disk, None where that is not known.

    left: what should have gone and stays, and why.
    """

    count: int = 0
    freed: int | None = 0
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What there is of a kind.

    Attributes:
        goes: how many of it would go; freed: their bytes on disk, None where that is not known.
        delete: deletes one portion after the other; what is held or current by then stays.
        faults: what could not be looked at, and what mends it.
    """

    kind: str
    there: int
    goes: int
    freed: int | None
    delete: Callable[[], Gone]
    faults: tuple[str, ...] = ()


def size_of(paths: Sequence[Path]) -> int:
    """The bytes of files and folders; what has gone meanwhile counts for nothing."""
    total = 0
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else (path,):
            try:
                total += file.lstat().st_size if file.is_file() else 0
            except FileNotFoundError:
                continue
    return total
