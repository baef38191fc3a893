"""The plots of an audit. Only numbers and days get in here, no word of the data."""

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

from services.modelling.statistics import wilson_interval
from services.reporting.plots import (
    ACCENT,
    BAD,
    DASHED,
    GOOD,
    INK,
    MUTED,
    open_figure,
    render_svg,
    style,
    thousands,
)


def quality_by_day(
    days: Sequence[date],
    champion: Sequence[float | None],
    shadow: Sequence[float | None],
    *,
    promised: float | None,
    limit: float | None,
    width: int,
    name: str,
) -> str:
    """Average precision per day of the champion and, if any, of a shadow; `width` in CSS pixels.

    promised: of the card, as a dashed line. limit: below which quality has fallen.
    """
    from matplotlib.ticker import MaxNLocator

    with style():
        figure = open_figure(width, 300)
        axes = figure.subplots()
        times: Any = list(days)
        if limit is not None:
            axes.axhspan(-1, limit, color=BAD, alpha=0.09, linewidth=0)
        if promised is not None:
            axes.axhline(promised, color=MUTED, linewidth=1, linestyle=DASHED)
        for values, color, size in ((shadow, ACCENT, 3.2), (champion, GOOD, 4.2)):
            drawn = [math.nan if value is None else value for value in values]
            axes.plot(times, drawn, color=color, linewidth=1.8, marker="o", markersize=size)
        found = [value for value in (*champion, *shadow, promised) if value is not None]
        # From 0, so that a small change does not look like a fall.
        axes.set_ylim(0, min(1.02, max([*found, 0.1]) * 1.18))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_ylabel("average precision")
        _date_axis(axes, days, width)
        return render_svg(figure, name)


def alerts_by_day(
    days: Sequence[date], alerts: Sequence[int], budget: float | None, *, name: str
) -> str:
    """Cards flagged per day, and the budget as a dashed line."""
    from matplotlib.ticker import MaxNLocator

    with style():
        figure = open_figure(460, 280)
        axes = figure.subplots()
        times: Any = list(days)
        over = [budget is not None and count > budget for count in alerts]
        axes.bar(times, alerts, width=0.72, color=[BAD if o else ACCENT for o in over])
        if budget is not None:
            axes.axhline(budget, color=INK, linewidth=1.1, linestyle=DASHED)
        axes.set_ylim(0, max([*alerts, budget or 0, 1]) * 1.12)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(thousands)
        axes.set_ylabel("cards flagged")
        _date_axis(axes, days, 460)
        return render_svg(figure, name)


def calibration(bins: Sequence[tuple[float, float, int]], *, name: str) -> str:
    """Shares of fraud promised and seen, both on a logarithmic axis, with 95 % intervals.

    bins: (mean probability, share of frauds, rows).
    """
    from matplotlib.ticker import FuncFormatter, NullLocator

    shown = [part for part in bins if part[2]]
    least = min([0.01, *(max(p, 1e-5) for p, _, _ in shown)])
    floor = 10.0 ** math.floor(math.log10(least))
    with style():
        figure = open_figure(460, 280)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot([floor, 1], [floor, 1], color=MUTED, linewidth=1, linestyle=DASHED)
        for promised, seen, rows in shown:
            low, high = wilson_interval(seen, rows)
            x = max(promised, floor)
            axes.plot([x, x], [max(low, floor), max(high, floor)], color=ACCENT, linewidth=1.4)
            if seen >= floor:
                axes.plot([x], [seen], color=ACCENT, marker="o", markersize=5)
            else:  # no fraud seen: at the edge, hollow
                axes.plot(
                    [x], [floor], color=ACCENT, marker="o", markersize=5, markerfacecolor="none"
                )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
        axes.set_xlim(floor * 0.8, 1.25)
        axes.set_ylim(floor * 0.8, 1.25)
        axes.set_xlabel("probability that was answered")
        axes.set_ylabel("frauds among them")
        axes.grid()
        return render_svg(figure, name)


def _date_axis(axes: Any, days: Sequence[date], width: int) -> None:
    import matplotlib.dates

    dates: Any = matplotlib.dates  # its types are unfinished
    locator = dates.DayLocator(interval=max(1, math.ceil(len(days) / (width // 52))))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(lambda x, _: f"{dates.num2date(x):%d %b}".lstrip("0"))
    first, last = dates.date2num(days[0]), dates.date2num(days[-1])
    axes.set_xlim(first - 0.6, last + 0.6)
    axes.grid(axis="y")
