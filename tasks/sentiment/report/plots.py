"""The plots of a run's report. No word of the data gets in here, only counts and days."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
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

MAX_BUCKETS = 160
UNITS = {"day": "D", "week": "W-MON", "month": "MS", "quarter": "QS", "year": "YS"}
MIN_ROWS_FOR_A_SHARE = 20  # below, a share is mostly chance
MIN_SHARES = 8


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of days beginning with `start`."""

    start: date
    rows: int
    positive: int


def make_buckets(days: Mapping[str, tuple[int, int]]) -> tuple[str, list[Bucket]]:
    """The days as at most `MAX_BUCKETS` days, weeks, months, quarters or years without a gap.

    Keys of `days` are YYYY-MM-DD. Returns the unit in a word and the buckets in order.
    """
    import pandas as pd

    frame = pd.DataFrame(list(days.values()), pd.to_datetime(list(days)), ["rows", "positive"])
    for unit, frequency in UNITS.items():  # noqa: B007 - it is used behind the loop
        sums = frame.resample(frequency, closed="left", label="left").sum()
        if len(sums) <= MAX_BUCKETS:
            break
    return unit, [Bucket(start.date(), int(r), int(p)) for start, r, p in sums.itertuples()]


def drawable(buckets: Sequence[Bucket]) -> list[Bucket]:
    """The buckets whose share is worth drawing: of 20 rows or more, if there are enough of them."""
    sure = [bucket for bucket in buckets if bucket.rows >= MIN_ROWS_FOR_A_SHARE]
    return sure if len(sure) >= MIN_SHARES else [bucket for bucket in buckets if bucket.rows]


def share_over_time(buckets: Sequence[Bucket], overall: float, *, width: int, name: str) -> str:
    """The positive share with its 95 % band, and below it the rows; `width` in CSS pixels."""
    import matplotlib.dates
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    dates: Any = matplotlib.dates  # its types are unfinished
    drawn = set(drawable(buckets))
    step = (buckets[1].start - buckets[0].start).days if len(buckets) > 1 else 1
    with style():
        figure = open_figure(width, 320)
        ratios = {"height_ratios": (3, 1), "hspace": 0.16}
        upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw=ratios)
        starts: Any = [bucket.start for bucket in buckets]
        shares = [b.positive / b.rows if b in drawn else math.nan for b in buckets]
        bands = [
            wilson_interval(b.positive / b.rows, b.rows) if b in drawn else (math.nan,) * 2
            for b in buckets
        ]
        low, high = zip(*bands, strict=True)
        upper.fill_between(starts, low, high, color=GOOD, alpha=0.16, linewidth=0)
        upper.plot(starts, shares, color=GOOD, linewidth=1.6, marker="o", markersize=2.4)
        upper.axhline(overall, color=MUTED, linewidth=1, linestyle=DASHED)
        upper.set_ylim(*_share_limits([share for share in shares if share == share]))
        upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        upper.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        upper.set_ylabel("positive")
        lower.bar(starts, [b.rows for b in buckets], width=step * 0.9, color=MUTED, alpha=0.7)
        lower.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        lower.yaxis.set_major_formatter(thousands)
        lower.set_ylabel("reviews")
        figure.align_ylabels((upper, lower))
        locator = dates.AutoDateLocator(minticks=3, maxticks=max(4, width // 90))
        lower.xaxis.set_major_locator(locator)
        lower.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        for axes in (upper, lower):
            axes.grid(axis="y")
        return render_svg(figure, name)


def probability_histogram(
    counts: Sequence[int],
    counts_before: Sequence[int] | None,
    has_neutral: bool = False,
    *,
    name: str,
) -> str:
    """Shares of the rows per bin of the positive probability; those of before as an outline."""
    from matplotlib.ticker import PercentFormatter

    bins = len(counts)
    edges = [i / bins for i in range(bins + 1)]
    colors = [BAD if i < bins / 2 else GOOD for i in range(bins)]
    with style():
        figure = open_figure(460, 280)
        axes = figure.subplots()
        axes.bar(edges[:-1], _shares(counts), width=0.92 / bins, align="edge", color=colors)
        if counts_before is not None:
            axes.stairs(_shares(counts_before), edges, color=INK, linewidth=1.3, baseline=None)
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
        above = axes.get_xaxis_transform()
        axes.text(
            0.485,
            1.02,
            "← neutral or negative" if has_neutral else "← negative",
            transform=above,
            ha="right",
            color=MUTED,
        )
        axes.text(0.515, 1.02, "positive →", transform=above, ha="left", color=MUTED)
        axes.set_xlim(-0.01, 1.01)
        axes.set_xlabel("probability that the review is positive")
        axes.set_ylabel("of the reviews")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.grid(axis="y")
        return render_svg(figure, name)


def throughput_over_time(
    finished_at: Sequence[datetime], rates: Sequence[float], typical: float, *, name: str
) -> str:
    """Reviews per second of each partition over the clock, and the typical rate as a dashed line.

    The arguments are parallel and in the order of time.
    """
    import matplotlib.dates
    from matplotlib.ticker import MaxNLocator

    dates: Any = matplotlib.dates  # its types are unfinished
    many = len(rates) > 60
    with style():
        figure = open_figure(460, 280)
        axes = figure.subplots()
        times: Any = list(finished_at)
        axes.plot(
            times,
            rates,
            color=ACCENT,
            linewidth=0 if many else 1.2,
            marker="o",
            markersize=2.4 if many else 4,
            alpha=0.8 if many else 1,
        )
        axes.axhline(typical, color=MUTED, linewidth=1, linestyle=DASHED)
        axes.set_ylim(0, max(rates) * 1.12 or 1)
        axes.set_ylabel("reviews per second")
        axes.set_xlabel("when a part was done (UTC)")
        axes.yaxis.set_major_formatter(thousands)
        locator = dates.AutoDateLocator(minticks=4, maxticks=7)
        seconds = (finished_at[-1] - finished_at[0]).total_seconds()
        axes.xaxis.set_major_locator(MaxNLocator(4) if seconds < 4 else locator)
        clock = "%H:%M" if 600 <= seconds < 86_400 else "%H:%M:%S" if seconds < 600 else "%d %b"
        axes.xaxis.set_major_formatter(dates.DateFormatter(clock))
        axes.grid(axis="y")
        return render_svg(figure, name)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [count / total for count in counts]


def _share_limits(shares: Sequence[float]) -> tuple[float, float]:
    """At least 20 points, so that a quiet month does not look like a storm."""
    low, high = min(shares), max(shares)
    padding = max(0.04, (0.20 - (high - low)) / 2)
    low, high = low - padding, high + padding
    return max(-0.02, low - max(0.0, high - 1.02)), min(1.02, high + max(0.0, -0.02 - low))
