"""What is old, kind by kind, and its end. One prune at a time; it may be killed at any moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.table import Table

from services.storage.locks import Held, held
from tasks.operations.retention.files import old_models, old_reports
from tasks.operations.retention.holds import RetentionError
from tasks.operations.retention.kind import Found, Gone, Place
from tasks.operations.retention.nights import old_nights, old_taken_back
from tasks.operations.retention.rows import old_answers


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Keep other prunes out. Raises: RetentionError: one is at work."""
    try:
        with held(place.home / "prune.lock", patience_s=0):
            yield
    except Held as error:
        raise RetentionError(f"another prune is at work, process {error.holder}") from error


def find_old(place: Place) -> list[Found]:
    """What there is of each kind, and what would go."""
    return [
        old_nights(place),
        old_taken_back(place),
        *old_answers(place),
        old_models(place),
        old_reports(place),
    ]


def cells(found: Found, gone: Gone | None) -> dict[str, str]:
    """A row of the table. gone: what went; None: nothing was to."""
    count, freed = (found.goes, found.freed) if gone is None else (gone.count, gone.freed)
    return {
        "kind": found.kind,
        "there": f"{found.there:,}",
        "kept": f"{found.there - count:,}",
        "would go" if gone is None else "gone": f"{count:,}",
        "freed": f"{freed / 1e6:,.1f} MB" if count and freed is not None else "",
    }


def render(rows: list[dict[str, str]]) -> Table:
    """The table for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "kind" else "right")
    for row in rows:
        table.add_row(*row.values())
    return table
