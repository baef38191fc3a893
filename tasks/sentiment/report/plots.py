"""The plots of a night's report, as SVG to be put into a page.

Colours are CSS variables of the page (`--ink`, `--positive`, ...), so that one picture serves
light and dark; text stays text. No word of the data gets in here, only counts and days: what a
font cannot draw, and what could be mark-up, never reaches a plot.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

MAX_BUCKETS = 160
MIN_ROWS_FOR_A_SHARE = 20  # below, a share is mostly chance
MIN_SHARES = 8
CONFIDENCE_Z = 1.96  # of the band around a share: 95 %

# Stand-ins that the page's variables replace in the finished SVG.
_INK, _MUTED, _RULE = "#0a0b01", "#0a0b02", "#0a0b03"
_POSITIVE, _NEGATIVE, _ACCENT = "#0a0b04", "#0a0b05", "#0a0b06"
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _RULE: "var(--rule)",
    _POSITIVE: "var(--positive)",
    _NEGATIVE: "var(--negative)",
    _ACCENT: "var(--accent)",
}
_STYLE: Any = {  # keys are matplotlib's rcParams
    "svg.fonttype": "none",
    "svg.hashsalt": "score-sentiment",  # the same night gives the same bytes
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


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of days beginning with `start`."""

    start: date
    rows: int
    positive: int


def bucketed(days: Mapping[str, tuple[int, int]]) -> tuple[str, list[Bucket]]:
    """The days as at most `MAX_BUCKETS` days, weeks, months, quarters or years without a gap.

    Keys of `days` are YYYY-MM-DD. Returns the unit in a word and the buckets in order.
    """
    dates = {date.fromisoformat(day): counts for day, counts in days.items()}
    if not dates:
        return "day", []
    for unit in ("day", "week", "month", "quarter", "year"):
        starts = _starts(unit, min(dates), max(dates))
        if len(starts) <= MAX_BUCKETS:
            break
    sums = {start: [0, 0] for start in starts}
    for day, (rows, positive) in dates.items():
        total = sums[_start_of(unit, day)]
        total[0] += rows
        total[1] += positive
    return unit, [Bucket(start, rows, positive) for start, (rows, positive) in sums.items()]


def telling(buckets: Sequence[Bucket]) -> list[Bucket]:
    """The buckets whose share is worth drawing: of 20 rows or more, if there are enough of them."""
    sure = [bucket for bucket in buckets if bucket.rows >= MIN_ROWS_FOR_A_SHARE]
    return sure if len(sure) >= MIN_SHARES else [bucket for bucket in buckets if bucket.rows]


def share_over_time(buckets: Sequence[Bucket], overall: float, *, width: int, name: str) -> str:
    """The positive share with its 95 % band, and below it the rows; `width` in CSS pixels."""
    import matplotlib
    import matplotlib.dates
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    dates: Any = matplotlib.dates  # its types are unfinished
    drawn = set(telling(buckets))
    step = (buckets[1].start - buckets[0].start).days if len(buckets) > 1 else 1
    with matplotlib.rc_context(_STYLE):
        figure = _figure(width, 320)
        ratios = {"height_ratios": (3, 1), "hspace": 0.16}
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw=ratios)
        starts: Any = [bucket.start for bucket in buckets]
        shares = [b.positive / b.rows if b in drawn else math.nan for b in buckets]
        bands = [_wilson(b.positive, b.rows) if b in drawn else (math.nan,) * 2 for b in buckets]
        low, high = zip(*bands, strict=True)
        upper.fill_between(starts, low, high, color=_POSITIVE, alpha=0.16, linewidth=0)
        upper.plot(starts, shares, color=_POSITIVE, linewidth=1.6, marker="o", markersize=2.4)
        upper.axhline(overall, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)))
        upper.set_ylim(*_share_limits([share for share in shares if share == share]))
        upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        upper.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        upper.set_ylabel("positive")
        lower.bar(starts, [b.rows for b in buckets], width=step * 0.9, color=_MUTED, alpha=0.7)
        lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        lower.yaxis.set_major_formatter(_thousands)
        lower.set_ylabel("reviews")
        figure.align_ylabels((upper, lower))
        locator = dates.AutoDateLocator(minticks=3, maxticks=max(4, width // 90))
        lower.xaxis.set_major_locator(locator)
        lower.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        for axes in (upper, lower):
            axes.grid(axis="y")
        return _svg(figure, name)


def probability_histogram(
    counts: Sequence[int], counts_before: Sequence[int] | None, *, name: str
) -> str:
    """Shares of the rows per bin of the positive probability; those of before as an outline."""
    import matplotlib
    from matplotlib.ticker import PercentFormatter

    bins = len(counts)
    edges = [i / bins for i in range(bins + 1)]
    colors = [_NEGATIVE if i < bins / 2 else _POSITIVE for i in range(bins)]
    with matplotlib.rc_context(_STYLE):
        figure = _figure(460, 280)
        axes = figure.subplots()
        axes.bar(edges[:-1], _shares(counts), width=0.92 / bins, align="edge", color=colors)
        if counts_before is not None:
            axes.stairs(_shares(counts_before), edges, color=_INK, linewidth=1.3, baseline=None)
        axes.axvline(0.5, color=_MUTED, linewidth=1, linestyle=(0, (2, 3)))
        above = axes.get_xaxis_transform()
        axes.text(0.485, 1.02, "← negative", transform=above, ha="right", color=_MUTED)
        axes.text(0.515, 1.02, "positive →", transform=above, ha="left", color=_MUTED)
        axes.set_xlim(-0.01, 1.01)
        axes.set_xlabel("probability that the review is positive")
        axes.set_ylabel("of the reviews")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.grid(axis="y")
        return _svg(figure, name)


def throughput_over_time(
    finished_at: Sequence[datetime], rates: Sequence[float], typical: float, *, name: str
) -> str:
    """Reviews per second of each part over the clock, and the typical rate as a dashed line.

    The arguments are parallel and in the order of time.
    """
    import matplotlib
    import matplotlib.dates
    from matplotlib.ticker import MaxNLocator

    dates: Any = matplotlib.dates  # its types are unfinished
    many = len(rates) > 60
    with matplotlib.rc_context(_STYLE):
        figure = _figure(460, 280)
        axes = figure.subplots()
        times: Any = list(finished_at)
        axes.plot(
            times,
            rates,
            color=_ACCENT,
            linewidth=0 if many else 1.2,
            marker="o",
            markersize=2.4 if many else 4,
            alpha=0.8 if many else 1,
        )
        axes.axhline(typical, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_ylim(0, max(rates) * 1.12 or 1)
        axes.set_ylabel("reviews per second")
        axes.set_xlabel("when a part was done (UTC)")
        axes.yaxis.set_major_formatter(_thousands)
        locator = dates.AutoDateLocator(minticks=4, maxticks=7)
        seconds = (finished_at[-1] - finished_at[0]).total_seconds()
        axes.xaxis.set_major_locator(MaxNLocator(4) if seconds < 4 else locator)
        clock = "%H:%M" if 600 <= seconds < 86_400 else "%H:%M:%S" if seconds < 600 else "%d %b"
        axes.xaxis.set_major_formatter(dates.DateFormatter(clock))
        axes.grid(axis="y")
        return _svg(figure, name)


def _figure(width: int, height: int) -> Any:
    """A figure of so many CSS pixels, without pyplot and its list of open figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72))
    # Room for the labels, known beforehand; finding it by layout doubles the time of a plot.
    figure.subplots_adjust(
        left=60 / width, right=1 - 14 / width, bottom=46 / height, top=1 - 24 / height
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
    return f"{value:,.0f}" if value == int(value) else f"{value:,g}"


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _share_limits(shares: Sequence[float]) -> tuple[float, float]:
    """At least 20 points, so that a quiet month does not look like a storm."""
    low, high = min(shares), max(shares)
    padding = max(0.04, (0.20 - (high - low)) / 2)
    low, high = low - padding, high + padding
    return max(-0.02, low - max(0.0, high - 1.02)), min(1.02, high + max(0.0, -0.02 - low))


def _wilson(positive: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share after E. B. Wilson (1927), sound for few rows as well."""
    z2 = CONFIDENCE_Z**2
    share = positive / rows
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    spread = share * (1 - share) / rows + z2 / (4 * rows * rows)
    half = CONFIDENCE_Z * math.sqrt(spread) / (1 + z2 / rows)
    return max(0.0, centre - half), min(1.0, centre + half)


def _start_of(unit: str, day: date) -> date:
    if unit == "day":
        return day
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def _starts(unit: str, first: date, last: date) -> list[date]:
    days_on = {"day": 1, "week": 7, "month": 31, "quarter": 93, "year": 366}[unit]
    starts = [_start_of(unit, first)]
    while len(starts) <= MAX_BUCKETS or unit == "year":
        following = _start_of(unit, starts[-1] + timedelta(days=days_on))
        if following > last:
            break
        starts.append(following)
    return starts
