"""One run over a source on a run date: what was asked of it, and with what it works."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache

from tasks.sentiment.reading.origin import Origin
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.run.window import Window
from tasks.sentiment.sql.warehouse import Warehouse
from tasks.sentiment.text import text_digest


@dataclass(frozen=True)
class Request:
    """What decides the results of a run, besides the input itself."""

    source: str  # the reference as given: a path, a glob or a query
    text_column: str
    id_column: str | None
    carry: tuple[str, ...]
    group_column: str | None
    encoding: str
    rows_per_part: int
    model: str
    model_revision: str | None
    model_digest: str
    precision: str
    # Fields that came later stand last, each with the default that earlier versions had.
    keep_null_words: bool = False  # NULL, N/A and the like are texts and ids like any other
    reject_unknown_text: bool = False
    # How files are written, as far as that is not to be found out: fields of TextFormat.
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    skip_lines: int | None = None
    decimal_comma: tuple[str, ...] = ()
    positive_label: tuple[str, ...] = ()  # the model's names of classes
    neutral_label: tuple[str, ...] = ()
    sheet: str | None = None

    @property
    def digest(self) -> str:
        """Equal for equal requests. A field with a default counts only where it has another value,
        so that runs of versions that did not have the field are known again."""
        defaults = {field.name: field.default for field in fields(self)}
        asked = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        return text_digest(json.dumps(asked, sort_keys=True))[:16]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class ScoringRun:
    """All that the steps need to know. Small, and safe to send to another process."""

    folder: RunFolder
    request: Request
    origin: Origin
    run_id: str
    started_at: datetime
    rescore: bool
    max_rejected_share: float
    min_rows: int
    window: Window
    warehouse_url: str = field(repr=False)  # may hold a password
    clock: Callable[[], datetime] = utc_now
    scores_url: str | None = None  # of the bucket that has what is published, too

    @property
    def database_digest(self) -> str:
        """Tells databases apart without keeping a password."""
        return text_digest(self.warehouse_url)[:16]

    def warehouse(self) -> Warehouse:
        """One for each process, as connections are not shared between processes."""
        return _warehouse(self.warehouse_url, os.getpid())


@lru_cache(maxsize=4)
def _warehouse(url: str, _process: int) -> Warehouse:
    return Warehouse(url)
