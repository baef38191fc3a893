"""The dates and their states: a table that lives at a terminal, else a line for each change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tasks.operations.backfill.dates import State, Tell

_STYLES = {State.RUNNING: "cyan", State.DONE: "green", State.FAILED: "red", State.THERE: "dim"}


@contextmanager
def shown(dates: Sequence[date]) -> Iterator[Tell]:
    """What to call when a date changes its state."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        yield lambda day, state, why: console.print(_line(day, state, why))
        return
    rows = dict.fromkeys(dates, (State.WAITING, ""))
    with Live(_table(rows), console=console, auto_refresh=False, vertical_overflow="visible") as it:

        def tell(day: date, state: State, why: str) -> None:
            rows[day] = (state, why)
            it.update(_table(rows), refresh=True)

        yield tell


def _line(day: date, state: State, why: str) -> str:
    return f"{day}  {state}{f': {why}' if why else ''}"


def _table(rows: dict[date, tuple[State, str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("date", "state", ""):
        table.add_column(name, no_wrap=not name)
    for day, (state, why) in rows.items():
        table.add_row(str(day), Text(state, _STYLES.get(state, "")), Text(why))
    return table
