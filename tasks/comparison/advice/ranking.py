"""The ranking: which strategies meet a need, the best first."""

from dataclasses import dataclass

from tasks.comparison.advice.checks import Case, Check, check
from tasks.comparison.advice.strategy import Strategy


@dataclass(frozen=True)
class Ranked:
    """A strategy in its place."""

    strategy: Strategy
    checks: tuple[Check, ...]
    cost: float  # of a month, with typical prices

    @property
    def failed(self) -> tuple[Check, ...]:
        """What it does not meet."""
        return tuple(check for check in self.checks if not check.met)

    @property
    def meets(self) -> bool:
        """Whether it meets the need."""
        return not self.failed


def rank(case: Case) -> list[Ranked]:
    """All strategies: those that meet the need, then those that miss least of it.

    Of those that meet it the one with the fewest ways is first; of one way alone the cheaper one
    where it was measured, else the simpler one.
    """
    ranked = [
        Ranked(strategy, tuple(check(case, strategy)), case.cost(strategy)) for strategy in Strategy
    ]

    def order(each: Ranked) -> tuple[int, int, float]:
        ways = len(each.strategy.ways)
        last = each.cost if case.known else each.strategy.rank
        return (len(each.failed), ways, last)

    return sorted(ranked, key=order)


def best(case: Case) -> Strategy | None:
    """The answer; None: nothing meets the need."""
    first = rank(case)[0]
    return first.strategy if first.meets else None
