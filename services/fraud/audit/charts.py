"""The plots of an audit, as SVG to be put into a page.

Colours are CSS variables of the page (`--ink`, `--good`, ...), so that one picture serves light
and dark; text stays text. Only numbers and days get in here, no word of the data.
"""

import io
import math
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

# Stand-ins that the page's variables replace in the finished SVG.
_INK, _MUTED, _RULE = "#0a0b01", "#0a0b02", "#0a0b03"
_GOOD, _BAD, _ACCENT = "#0a0b04", "#0a0b05", "#0a0b06"
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _RULE: "var(--rule)",
    _GOOD: "var(--good)",
    _BAD: "var(--bad)",
    _ACCENT: "var(--accent)",
}
_STYLE: Any = {  # keys are matplotlib's rcParams
    "svg.fonttype": "none",
    "svg.hashsalt": "audit-fraud",  # the same audit gives the same bytes
    "font.family": "DejaVu Sans",  # comes with matplotlib; the page sets its own over it
    "font.size": 11.5,
    "text.color": _INK,
    "text.parse_math": False,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _MUTED,
    "axes.labelsize": 11,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": _RULE,
    "grid.linewidth": 0.8,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
}
_DASHED = (0, (4, 3))


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
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context(_STYLE):
        figure = _figure(width, 300)
        axes = figure.subplots()
        times: Any = list(days)
        if limit is not None:
            axes.axhspan(-1, limit, color=_BAD, alpha=0.09, linewidth=0)
        if promised is not None:
            axes.axhline(promised, color=_MUTED, linewidth=1, linestyle=_DASHED)
        for values, color, size in ((shadow, _ACCENT, 3.2), (champion, _GOOD, 4.2)):
            drawn = [math.nan if value is None else value for value in values]
            axes.plot(times, drawn, color=color, linewidth=1.8, marker="o", markersize=size)
        found = [value for value in (*champion, *shadow, promised) if value is not None]
        # From 0, so that a small change does not look like a fall.
        axes.set_ylim(0, min(1.02, max([*found, 0.1]) * 1.18))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_ylabel("average precision")
        _date_axis(axes, days, width)
        return _svg(figure, name)


def alerts_by_day(
    days: Sequence[date], alerts: Sequence[int], budget: float | None, *, name: str
) -> str:
    """Cards flagged per day, and the budget as a dashed line."""
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    with matplotlib.rc_context(_STYLE):
        figure = _figure(460, 280)
        axes = figure.subplots()
        times: Any = list(days)
        over = [budget is not None and count > budget for count in alerts]
        axes.bar(times, alerts, width=0.72, color=[_BAD if o else _ACCENT for o in over])
        if budget is not None:
            axes.axhline(budget, color=_INK, linewidth=1.1, linestyle=_DASHED)
        axes.set_ylim(0, max([*alerts, budget or 0, 1]) * 1.12)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(_thousands)
        axes.set_ylabel("cards flagged")
        _date_axis(axes, days, 460)
        return _svg(figure, name)


def calibration(bins: Sequence[tuple[float, float, int]], *, name: str) -> str:
    """Shares of fraud promised and seen, both on a logarithmic axis, with 95 % intervals.

    bins: (mean probability, share of frauds, rows).
    """
    import matplotlib
    from matplotlib.ticker import FuncFormatter, NullLocator

    shown = [one for one in bins if one[2]]
    floor = _decade(min([0.01, *(max(p, 1e-5) for p, _, _ in shown)]))
    with matplotlib.rc_context(_STYLE):
        figure = _figure(460, 280)
        axes = figure.subplots()
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.plot([floor, 1], [floor, 1], color=_MUTED, linewidth=1, linestyle=_DASHED)
        for promised, seen, rows in shown:
            low, high = wilson(seen, rows)
            x = max(promised, floor)
            axes.plot([x, x], [max(low, floor), max(high, floor)], color=_ACCENT, linewidth=1.4)
            if seen >= floor:
                axes.plot([x], [seen], color=_ACCENT, marker="o", markersize=5)
            else:  # no fraud seen: at the edge, hollow
                axes.plot(
                    [x], [floor], color=_ACCENT, marker="o", markersize=5, markerfacecolor="none"
                )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(_percentage))
        axes.set_xlim(floor * 0.8, 1.25)
        axes.set_ylim(floor * 0.8, 1.25)
        axes.set_xlabel("probability that was answered")
        axes.set_ylabel("frauds among them")
        axes.grid()
        return _svg(figure, name)


def wilson(share: float, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share after E. B. Wilson (1927), sound for few rows as well."""
    z2 = 1.96**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    spread = share * (1 - share) / rows + z2 / (4 * rows * rows)
    half = 1.96 * math.sqrt(max(spread, 0)) / (1 + z2 / rows)
    return max(0.0, centre - half), min(1.0, centre + half)


def _date_axis(axes: Any, days: Sequence[date], width: int) -> None:
    import matplotlib.dates

    dates: Any = matplotlib.dates  # its types are unfinished
    locator = dates.DayLocator(interval=max(1, math.ceil(len(days) / (width // 52))))
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(lambda x, _: f"{dates.num2date(x):%d %b}".lstrip("0"))
    first, last = dates.date2num(days[0]), dates.date2num(days[-1])
    axes.set_xlim(first - 0.6, last + 0.6)
    axes.grid(axis="y")


def _figure(width: int, height: int) -> Any:
    """A figure of so many CSS pixels, without pyplot and its list of open figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    # Room for the labels, known beforehand; finding it by layout doubles the time of a plot.
    figure.subplots_adjust(
        left=60 / width, right=1 - 14 / width, bottom=46 / height, top=1 - 18 / height
    )
    FigureCanvasAgg(figure)
    return figure


def _svg(figure: Any, name: str) -> str:
    """The bare <svg> element: no namespaces, no metadata, its ids prefixed with the name."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(?::\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    return svg.strip()


def _thousands(value: float, _position: int) -> str:
    return f"{value:,.0f}"


def _percentage(share: float, _position: int) -> str:
    return f"{share * 100:g} %"


def _decade(value: float) -> float:
    return float(10 ** math.floor(math.log10(value)))
