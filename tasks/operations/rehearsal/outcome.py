"""What came of each fault, and the table of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.box import ROUNDED
from rich.table import Table
from rich.text import Text


class End(StrEnum):
    """How a rehearsal ended."""

    SURVIVED = "survived"
    BROKE = "BROKE"
    NOTHING = "nothing to break yet"


_STYLES = {End.SURVIVED: "green", End.BROKE: "red", End.NOTHING: "dim"}


@dataclass(frozen=True)
class Outcome:
    """told: what survived; else what broke, or what to type first."""

    fault: str
    done: str
    end: End
    told: str
    seconds: float


def render_table(outcomes: Sequence[Outcome]) -> Table:
    """Fault, what was done, what survived, how long."""
    table = Table(header_style="dim", pad_edge=False, box=ROUNDED, show_lines=True)
    table.add_column("fault", no_wrap=True)
    table.add_column("what was done", ratio=2)
    table.add_column("what survived", ratio=3, overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    for one in outcomes:
        end = Text.assemble((one.end, _STYLES[one.end]), f": {one.told}")
        table.add_row(one.fault, one.done, end, f"{one.seconds:.0f} s")
    return table
