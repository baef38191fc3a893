"""The plots of a comparison. Only numbers get in here, no word of the data."""

import math
from collections.abc import Sequence
from typing import Any

from services.reporting.plots import (
    ACCENT,
    BAD,
    DASHED,
    GOOD,
    INK,
    LINES,
    MUTED,
    open_figure,
    render_svg,
    style,
)
from tasks.comparison.measurement import Scenario, Way
from tasks.comparison.pricing.break_even import PER_SECOND, BreakEven
from tasks.comparison.report.build import Costs, Distribution
from tasks.comparison.units import short

COLORS = {Way.NIGHT: LINES[3], Way.SERVICE: GOOD, Way.DEVICE: ACCENT}
STYLES: dict[Scenario, Any] = {
    "Server": "solid",
    "SingleStream": DASHED,
    "MultiStream": (0, (1, 2)),
    "Offline": "solid",
}
_LEAST = 0.005  # of the answers: the last step of 200 quantiles


def latencies(
    drawn: Sequence[Distribution], bound_ms: float | None, *, width: int, name: str
) -> str:
    """How many answers took longer than so long, both on logarithmic axes; `width` in CSS pixels.

    bound_ms: within which 99 of 100 answers have to be there, as a line.
    """
    from matplotlib.ticker import FuncFormatter, NullLocator

    with style():
        figure = open_figure(width, 300)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_yscale("log")
        for each in drawn:
            times, shares = _slower(each)
            color, dashes = COLORS[each.way], STYLES[each.scenario]
            axes.plot(times, shares, color=color, linewidth=1.9, linestyle=dashes)
        if bound_ms is not None:
            axes.axvline(bound_ms, color=BAD, linewidth=1.4)
        axes.set_ylim(_LEAST, 1.15)
        axes.set_yticks([1, 0.5, 0.1, 0.01])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
        axes.xaxis.set_major_formatter(FuncFormatter(_milliseconds))
        axes.yaxis.set_minor_locator(NullLocator())
        _widen(axes, [time for each in drawn for time in _slower(each)[0]], bound_ms)
        axes.set_ylabel("answers that took longer")
        axes.set_xlabel("time of an answer")
        axes.grid()
        return render_svg(figure, name)


def costs(shown: Costs, *, width: int, name: str) -> str:
    """What a month costs over the requests a second, with bands and break-even points."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    with style():
        figure = open_figure(width, 340)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_yscale("log")
        for way, ranges in shown.curves.items():
            low, high = [each.low for each in ranges], [each.high for each in ranges]
            axes.fill_between(shown.rates, low, high, color=COLORS[way], alpha=0.13, linewidth=0)
        for way, ranges in shown.curves.items():
            typical = [each.typical for each in ranges]
            axes.plot(shown.rates, typical, color=COLORS[way], linewidth=2)
        for each in rate_marks(shown.break_evens):
            axes.axvline(each.typical.point, color=INK, linewidth=1.1, linestyle=DASHED)
        axes.set_xlim(shown.rates[0], shown.rates[-1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: _count(value)))
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.set_xlabel("requests a second, on average")
        axes.set_ylabel("a month")
        axes.grid(color=MUTED, alpha=0.25)
        return render_svg(figure, name)


def rate_marks(break_evens: Sequence[BreakEven]) -> list[BreakEven]:
    """Those whose point lies on the axis of requests a second; of each pair of ways the first."""
    found: dict[frozenset[Way], BreakEven] = {}
    for each in break_evens:
        if each.unit == PER_SECOND and each.typical.point is not None:
            found.setdefault(frozenset((each.cheaper, each.than)), each)
    return list(found.values())


def _slower(each: Distribution) -> tuple[list[float], list[float]]:
    """Times in milliseconds, rising, and the share of answers that took longer."""
    quantiles = each.latency.quantiles_ms
    if len(quantiles) < 2:
        latency = each.latency
        return [latency.p50_ms, latency.p90_ms, latency.p99_ms], [0.5, 0.1, 0.01]
    last = len(quantiles) - 1
    shares = [max(1 - number / last, _LEAST / 10) for number in range(len(quantiles))]
    return [max(time, 1e-4) for time in quantiles], shares


def _widen(axes: Any, times: Sequence[float], bound_ms: float | None) -> None:
    """At least a decade, with labels at round times alone."""
    from matplotlib.ticker import FixedLocator, NullLocator

    found = [time for time in (*times, bound_ms) if time is not None and time > 0] or [1.0]
    low, high = min(found) / 1.3, max(found) * 1.3
    axes.set_xlim(low, high)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 3) if last - first <= 3 else (1,)
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())


def _milliseconds(value: float, _position: int) -> str:
    return f"{short(value / 1e3)} s" if value >= 1_000 else f"{value:g} ms"


def _count(value: float) -> str:
    """100000 -> 100k."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
