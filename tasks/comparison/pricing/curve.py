"""What a month costs over the volume, with the band that the prices' uncertainty leaves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from statistics import quantiles

from tasks.comparison.measurement import Way
from tasks.comparison.pricing.cost import Demand, monthly
from tasks.comparison.pricing.figures import Figures
from tasks.comparison.pricing.sheet import Prices, PriceSheet


@dataclass(frozen=True)
class Range:
    """A cost of a month: typical, and eight of ten draws of the prices between low and high."""

    low: float
    typical: float
    high: float


def cost_range(ways: Collection[Way], figures: Figures, demand: Demand, sheet: PriceSheet) -> Range:
    """What a month of these ways costs."""
    return _range(ways, figures, demand, [sheet.typical(), *sheet.draws()])


def curve(
    way: Way, figures: Figures, demand: Demand, sheet: PriceSheet, rates: Sequence[float]
) -> list[Range]:
    """A range for each of the rates, in answers a second."""
    prices = [sheet.typical(), *sheet.draws()]
    return [_range([way], figures, replace(demand, per_s=rate), prices) for rate in rates]


def _range(
    ways: Collection[Way], figures: Figures, demand: Demand, prices: Sequence[Prices]
) -> Range:
    """prices: the typical ones first, then the draws."""
    typical, *drawn = (monthly(ways, figures, demand, each).total for each in prices)
    tenths = quantiles(drawn, n=10, method="inclusive")
    return Range(min(tenths[0], typical), typical, max(tenths[-1], typical))
