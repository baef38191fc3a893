"""Break-even points: from which volume, or how many devices, one way is cheaper than another.

"Never" and "always" are answers too. The range is that of eight in ten draws of the prices.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import quantiles
from typing import Literal

from tasks.comparison.measurement import Way
from tasks.comparison.pricing.cost import Demand, monthly
from tasks.comparison.pricing.figures import Figures
from tasks.comparison.pricing.sheet import Prices, PriceSheet
from tasks.comparison.units import short

Kind = Literal["from", "up to", "between", "always", "never"]
PER_SECOND, DEVICES = "requests a second", "devices"  # what is counted
RATES = tuple(10 ** (n / 4) for n in range(-12, 17))  # requests a second: 0.001 to 10,000
COUNTS = tuple(10 ** (n / 4) for n in range(25))  # devices: 1 to a million
HALVINGS = 12  # of a step of the grid, to the point itself


@dataclass(frozen=True)
class Crossing:
    """Where one is cheaper: above `start` ("from"), below `end` ("up to"), or between the two."""

    kind: Kind
    start: float | None = None
    end: float | None = None

    @property
    def point(self) -> float | None:
        """The point that a reader looks for; None: there is none."""
        return self.end if self.kind == "up to" else self.start


@dataclass(frozen=True)
class BreakEven:
    """Where `cheaper` costs less than `than`, and how sure that is.

    first, last: the volumes between which it was looked for. share: of the draws of prices, how
    many have the same kind of answer; low, high: the point, in eight of ten of these; others: what
    other draws say, and their share.
    """

    cheaper: Way
    than: Way
    unit: str
    first: float
    last: float
    typical: Crossing
    share: float
    low: float | None = None
    high: float | None = None
    others: tuple[tuple[Kind, float], ...] = ()

    @property
    def where(self) -> str:
        """With typical prices, such as "above 40 requests a second"."""
        kind, start, end = self.typical.kind, self.typical.start, self.typical.end
        if kind == "between" and start is not None and end is not None:
            return f"between {short(start)} and {short(end)} {self.unit}"
        if (point := self.typical.point) is not None:
            return f"{'above' if kind == 'from' else 'up to'} {short(point)} {self.unit}"
        return f"{kind}, from {short(self.first)} to {short(self.last)} {self.unit}"

    def told(self) -> str:
        """In a sentence, with the range that the prices leave."""
        sure = [f"in {'all' if not self.others else _percent(self.share) + ' of all'} price draws"]
        if self.low is not None and self.high is not None:
            sure.append(f"{short(self.low)} to {short(self.high)} in eight of ten of these")
        sure += [f"{_KINDS[kind]} in {_percent(share)}" for kind, share in self.others]
        words = f"the {self.cheaper} is cheaper than the {self.than}: {self.where}"
        return f"{words} ({'; '.join(sure)})"


_KINDS = {
    "from": "above some point",
    "up to": "up to some point",
    "between": "between two points",
    "always": "always",
    "never": "never",
}


def by_rate(
    cheaper: Way, than: Way, figures: Figures, demand: Demand, sheet: PriceSheet
) -> BreakEven:
    """By requests a second; all else as in `demand`."""

    def saved(per_s: float, prices: Prices) -> float:
        asked = replace(demand, per_s=per_s)
        costs = [monthly({way}, figures, asked, prices).total for way in (than, cheaper)]
        return costs[0] - costs[1]

    return _break_even(cheaper, than, PER_SECOND, saved, RATES, sheet)


def by_devices(
    cheaper: Way, than: Way, figures: Figures, demand: Demand, sheet: PriceSheet
) -> BreakEven:
    """By the number of devices, each of which asks as often as one of `demand` does."""
    each = demand.per_s / max(demand.devices, 1)

    def saved(count: float, prices: Prices) -> float:
        asked = replace(demand, per_s=each * count, devices=math.ceil(count))
        costs = [monthly({way}, figures, asked, prices).total for way in (than, cheaper)]
        return costs[0] - costs[1]

    return _break_even(cheaper, than, DEVICES, saved, COUNTS, sheet)


def crossing(saved: Callable[[float], float], grid: Sequence[float]) -> Crossing:
    """Where `saved` is above 0, on a rising grid.

    Replicas come one by one, so that costs have steps: what counts is from where on it stays so,
    or up to where it is so without a gap.
    """
    signs = [saved(x) > 0 for x in grid]
    if all(signs):
        return Crossing("always")
    if not any(signs):
        return Crossing("never")
    if signs[-1]:
        last = max(n for n, sign in enumerate(signs) if not sign)
        return Crossing("from", start=_refined(saved, grid[last], grid[last + 1]))
    if signs[0]:
        first = signs.index(False)
        return Crossing("up to", end=_refined(saved, grid[first - 1], grid[first]))
    first, last = signs.index(True), len(signs) - signs[::-1].index(True)
    return Crossing(
        "between",
        start=_refined(saved, grid[first - 1], grid[first]),
        end=_refined(saved, grid[last - 1], grid[last]),
    )


def _break_even(
    cheaper: Way,
    than: Way,
    unit: str,
    saved: Callable[..., float],
    grid: Sequence[float],
    sheet: PriceSheet,
) -> BreakEven:
    typical_prices = sheet.typical()
    typical = crossing(partial(saved, prices=typical_prices), grid)
    drawn = [crossing(partial(saved, prices=prices), grid) for prices in sheet.draws()]
    kinds = Counter(each.kind for each in drawn)
    points = [each.point for each in drawn if each.kind == typical.kind and each.point is not None]
    low, high = _range(points)
    return BreakEven(
        cheaper,
        than,
        unit,
        grid[0],
        grid[-1],
        typical,
        share=kinds[typical.kind] / len(drawn),
        low=low,
        high=high,
        others=tuple(
            (kind, count / len(drawn)) for kind, count in kinds.items() if kind != typical.kind
        ),
    )


def _range(points: Sequence[float]) -> tuple[float | None, float | None]:
    if len(points) < 2:
        return None, None
    tenths = quantiles(points, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{share * 100:.0f} %"


def _refined(saved: Callable[[float], float], low: float, high: float) -> float:
    """The point between two of different sign, halved in proportion."""
    rising = saved(high) > 0
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        if (saved(middle) > 0) == rising:
            high = middle
        else:
            low = middle
    return high
