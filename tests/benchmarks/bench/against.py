"""A run beside an earlier one: which ratios have fallen by more than their spread.

What is compared are ratios, ours to a peer's or a limit's, of runs in which both took turns: the
machine's speed of the day is in both sides of them.
"""

from dataclasses import dataclass

from tests.benchmarks.bench.record import Ratio, Record, Row, Suite, median_of


@dataclass(frozen=True)
class Change:
    """A ratio then and now.

    now: None where ours or theirs gives no figure any more. allowed: how far it may fall.
    """

    suite: str
    name: str  # of the peer or the limit
    earlier: Row
    row: Row | None
    before: Ratio
    now: Ratio | None
    allowed: float

    @property
    def gone(self) -> bool:
        """Whether ours gives no figure any more."""
        return self.row is None or median_of(self.row.ours) is None

    @property
    def fell(self) -> bool:
        """Whether it fell by more than its spread, or ours is gone."""
        if self.now is None:
            return self.gone
        return self.now.median < self.before.median - self.allowed


def compare(earlier: Record, record: Record) -> list[Change]:
    """Every ratio of the earlier run in a suite that was run again, in its order.

    Suites that were skipped, and peers that were not there then, are not compared.
    """
    return [
        change
        for name, suite in record.suites.items()
        if suite.skipped is None and name in earlier.suites
        for change in _changes(name, earlier.suites[name], suite)
    ]


def _changes(name: str, earlier: Suite, suite: Suite) -> list[Change]:
    rows = {row.what: row for row in suite.rows}
    changes = []
    for before_row in earlier.rows:
        row = rows.get(before_row.what)
        for peer in before_row.beside():
            before = before_row.ratio(peer)
            if before is None:
                continue
            now = row.ratio(peer) if row else None
            allowed = allowed_fall(before, now, before_row.noise)
            changes.append(Change(name, peer, before_row, row, before, now, allowed))
    return changes


def allowed_fall(before: Ratio, now: Ratio | None, noise: float) -> float:
    """The larger spread of the two; at least `noise` of the earlier ratio, for rounds of one run
    may agree by chance."""
    return max(before.spread, now.spread if now else 0.0, noise * before.median)
