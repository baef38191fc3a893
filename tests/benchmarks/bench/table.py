"""One table of all that was measured, and what has fallen since an earlier run, in words."""

from collections.abc import Iterator, Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from tests.benchmarks.bench.against import Change
from tests.benchmarks.bench.record import Ratio, Record, Row, median_of
from tests.benchmarks.comparison import NO_ANSWER, NOTHING

Changes = Mapping[tuple[str, str, str], Change]  # by suite, what, and peer


def table_of(record: Record, changes: Sequence[Change] = ()) -> Table:
    """A line for each ratio; with changes, what it was before, and a mark where it fell."""
    table = Table("what", "ours", "peers", "limit", "ratio", "spread")
    if changes:
        table.add_column("before")
    known = {(each.suite, each.earlier.what, each.name): each for each in changes}
    for name, suite in record.suites.items():
        table.add_section()
        for row in suite.rows:
            for cells in _lines(name, row, known):
                table.add_row(*cells[: len(table.columns)])
        why = suite.skipped or suite.fault
        if why:
            table.add_row(escape(f"{name}: {'skipped' if suite.skipped else 'broke off'}: {why}"))
    return table


def _lines(suite: str, row: Row, changes: Changes) -> Iterator[list[str]]:
    """Cells of each peer's and each limit's line; what is ours stands in the first."""
    mine = [f"{suite}: {row.what}, {row.unit}", format_figure(median_of(row.ours))]
    for name, theirs in row.beside().items():
        told = f"{name} {format_figure(median_of(theirs))}"
        peer, limit = (told, "") if name in row.peers else ("", told)
        ratio = row.ratio(name)
        change = changes.get((suite, row.what, name))
        before = format_change(change) if change else ""
        yield [*mine, peer, limit, format_median(ratio), format_spread(ratio), before]
        mine = ["", ""]
    if not row.beside():
        yield [*mine, "", "", "", "", ""]


def format_figure(figure: float | None) -> str:
    """Three digits or more."""
    if figure is None:
        return NO_ANSWER
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def format_median(ratio: Ratio | None) -> str:
    return NOTHING if ratio is None else f"{ratio.median:.2f}"


def format_spread(ratio: Ratio | None) -> str:
    return NOTHING if ratio is None else f"{ratio.low:.2f} to {ratio.high:.2f}"


def format_change(change: Change) -> str:
    """What the ratio was."""
    return f"{format_median(change.before)}{' FELL' if change.fell else ''}"


def describe_fall(change: Change) -> str:
    """One line on a ratio that fell: whether ours is slower, or theirs quicker, can be seen."""
    what = f"{change.suite}: {change.earlier.what} beside {change.name}"
    if change.row is None or change.now is None:
        return f"{what}: gives no figure any more, and was {format_median(change.before)} times"
    ours = _from_to(median_of(change.earlier.ours), median_of(change.row.ours))
    theirs = [median_of(row.beside()[change.name]) for row in (change.earlier, change.row)]
    return (
        f"{what}: the ratio fell from {format_median(change.before)}"
        f" ({format_spread(change.before)}) to {format_median(change.now)}"
        f" ({format_spread(change.now)}); ours {ours}, theirs {_from_to(*theirs)}"
        f" {change.row.unit}"
    )


def _from_to(before: float | None, now: float | None) -> str:
    return f"{format_figure(before)} → {format_figure(now)}"
