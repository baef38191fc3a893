"""The page of a run; one of no rows has a page too."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from statistics import median
from typing import Any, Literal

from markupsafe import Markup

from services.reporting.page import render
from tasks.sentiment.report import plots
from tasks.sentiment.report.drift import Comparison
from tasks.sentiment.run.groups import NONE, OTHER
from tasks.sentiment.run.partitions import PartitionResult
from tasks.sentiment.run.statistics import ScoreStatistics

MAX_UNKNOWN_SHARE = 0.02  # of texts without a known word; some are figures or a row of dots
MAX_BARS = 20
MIN_DAYS_FOR_A_CURVE = 8
MAX_POINTS = 300
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?")


@dataclass(frozen=True)
class RunReport:
    """All that the page and the summaries show of a run; nothing in it needs the data again."""

    source: str
    run_date: date
    run_id: str
    status: Literal["finished", "stopped"]
    model: str
    model_digest: str
    precision: str
    # rows_read = scored + reused + rejected; waiting rows are accepted and have no result yet
    rows_read: int
    scored: int
    reused: int
    rejected: int
    rows_waiting: int
    seconds: float  # of the whole run
    statistics: ScoreStatistics
    why_precision: str = ""  # how it compares with float32 on this machine
    group_column: str | None = None
    throughput: Sequence[PartitionResult] = ()
    # reason -> (rows, numbers of some of them)
    rejected_reasons: Mapping[str, tuple[int, Sequence[int]]] = field(default_factory=dict)
    accepted: int = 0  # reviews that are scored, reused or waiting
    unknown: int = 0  # of them, texts without a word that the model knows
    unknown_rows: Sequence[int] = ()  # numbers of some of them
    comparison: Comparison | None = None
    where: Mapping[str, str] = field(default_factory=dict)  # what -> path, table or address
    parameters: Mapping[str, object] = field(default_factory=dict)
    ended_at: datetime | None = None

    @property
    def reviews_per_second(self) -> float | None:
        """Scored reviews by the seconds of the whole run; None when nothing was scored."""
        return self.scored / self.seconds if self.scored and self.seconds > 0 else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is out of the ordinary: in itself, and beside the runs before."""
        is_empty = self.status == "finished" and not self.rows_read
        empty = ("The source was empty: no rows were read.",) if is_empty else ()
        compared = self.comparison.warnings if self.comparison else ()
        return (*empty, *self._about_unknown_texts(), *compared)

    def _about_unknown_texts(self) -> tuple[str, ...]:
        if self.unknown <= MAX_UNKNOWN_SHARE * self.accepted:
            return ()
        rows = ", ".join(map(str, self.unknown_rows))
        return (
            f"The model knows no word of {percent(self.unknown / self.accepted)} of the texts "
            f"({integer(self.unknown)} of {integer(self.accepted)}, row {rows}"
            f"{', …' if self.unknown > len(self.unknown_rows) else ''}): they may be in another "
            "language, and what it says of them means nothing. --reject-unknown-text rejects them.",
        )

    @property
    def left_over(self) -> str | None:
        """What a stopped run leaves to the next one, in a sentence; None if it is finished."""
        if self.status == "finished":
            return None
        rows = f"{self.rows_waiting:,} review{'' if self.rows_waiting == 1 else 's'}"
        verb = "waits" if self.rows_waiting == 1 else "wait"
        return (
            f"The window closed before the end: {rows} still {verb} for a result. "
            "Run the same command again, tonight or tomorrow; it goes on where it stopped."
        )


def integer(value: float) -> str:
    """12345 -> 12,345."""
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """0.8412 -> 84.1 %, and a dash where there is no share."""
    return "–" if share is None else f"{share * 100:.1f} %"


def points(change: float) -> str:
    """A difference of shares: 0.012 -> +1.2 points."""
    return f"{change * 100:+.1f} points".replace("-", "−")


def rate(per_second: float | None) -> str:
    """Reviews per second with three figures or so."""
    if per_second is None:
        return "–"
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


def duration(seconds: float) -> str:
    """45.2 -> 45 s, 725 -> 12 min 5 s, 7384 -> 2 h 3 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def render_html(report: RunReport) -> str:
    """The page as text, to be written as UTF-8."""
    return render(
        Path(__file__).with_name("report.html"),
        filters={
            "integer": integer,
            "percent": percent,
            "points": points,
            "rate": rate,
            "duration": duration,
        },
        values={
            "report": report,
            "statistics": report.statistics,
            "comparison": report.comparison,
            "groups": _groups(report),
            "histogram": _histogram(report),
            "throughput": _throughput(report.throughput),
            "sql": _sql(report.source),
        },
    )


def _sql(source: str) -> str:
    literal = source.replace("'", "''")
    return (
        "SELECT label, count(*), avg(positive_probability) "
        f"FROM review_sentiment WHERE source = '{literal}' GROUP BY label;"
    )


def _groups(report: RunReport) -> dict[str, Any] | None:
    """The section of the group column: a curve over time, or bars; None without such a column."""
    tally = report.statistics.groups
    overall = report.statistics.positive_share
    if report.group_column is None or not tally or overall is None:
        return None
    named = {name: counts for name, counts in tally.items() if name not in (NONE, OTHER)}
    unplaced = sum(rows for name, (rows, _) in tally.items() if name not in named)
    days = report.statistics.grouping.are_days
    if not days or len(named) < MIN_DAYS_FOR_A_CURVE:
        return {"unit": None, "days": days, **_bars(tally, days)}
    unit, buckets = plots.make_buckets(named)
    drawn = plots.drawable(buckets)
    in_view = [b for b in buckets if drawn[0].start <= b.start <= drawn[-1].start]
    unplaced += sum(b.rows for b in buckets) - sum(b.rows for b in in_view)
    shares = [bucket.positive / bucket.rows for bucket in drawn]
    alt = (
        f"Line plot of the share of positive reviews per {unit}, {drawn[0].start} to "
        f"{drawn[-1].start}: between {percent(min(shares))} and {percent(max(shares))}, "
        f"{percent(shares[-1])} at the end, {percent(overall)} over all. Below it bars of the "
        f"number of reviews per {unit}, at most {integer(max(b.rows for b in in_view))}."
    )
    return {
        "unit": unit,
        "days": True,
        "alt": alt,
        "unplaced": unplaced,
        "undrawn": sum(1 for bucket in in_view if bucket.rows) - len(drawn),
        "undrawn_below": plots.MIN_ROWS_FOR_A_SHARE,
        "wide": Markup(plots.share_over_time(in_view, overall, width=900, name="time-wide")),
        "narrow": Markup(plots.share_over_time(in_view, overall, width=420, name="time-narrow")),
    }


def _bars(tally: Mapping[str, tuple[int, int]], days: bool) -> dict[str, Any]:
    """The groups of most rows, the remainder in one line; days and numbers in their order."""
    by_rows = sorted(tally.items(), key=lambda group: (group[0] == OTHER, -group[1][0], group[0]))
    shown, hidden = by_rows[:MAX_BARS], by_rows[MAX_BARS:]
    if days:
        shown = sorted(shown)
    elif not hidden and all(_NUMBER.fullmatch(name) or name in (NONE, OTHER) for name in tally):
        shown = sorted(shown, key=lambda g: -1e99 if g[0] in (NONE, OTHER) else float(g[0]))
        shown.reverse()
    rest = (sum(rows for _, (rows, _) in hidden), sum(hits for _, (_, hits) in hidden))
    return {"bars": shown, "hidden": len(hidden), "rest": rest}


def _histogram(report: RunReport) -> dict[str, Any] | None:
    counts = report.statistics.histogram
    rows = sum(counts)
    if not rows:
        return None
    before = report.comparison.histogram_then if report.comparison else None
    sure = (counts[0] + counts[-1]) / rows
    width = 1 / len(counts)
    alt = (
        f"Histogram of the positive probability in {len(counts)} bins: "
        f"{percent(counts[0] / rows)} of the reviews below {width:.2f}, "
        f"{percent(counts[-1] / rows)} from {1 - width:.2f} on."
    )
    if before is not None:
        alt += " An outline shows the previous runs."
    svg = Markup(plots.probability_histogram(counts, before, name="histogram"))
    return {"svg": svg, "alt": alt, "sure": sure, "before": before is not None}


def _throughput(parts: Sequence[PartitionResult]) -> dict[str, Any] | None:
    """Rates of the partitions in the order they were done, neighbours taken together when many."""
    timed = sorted(
        (part for part in parts if part.seconds > 0 and part.rows),
        key=lambda part: (part.finished_at, part.number),
    )
    if len(timed) < 2:
        return None
    size = -(-len(timed) // MAX_POINTS)
    heaps = [timed[i : i + size] for i in range(0, len(timed), size)]
    rates = [sum(p.rows for p in heap) / sum(p.seconds for p in heap) for heap in heaps]
    typical = median(rates)
    alt = (
        f"Plot of the reviews per second of {len(timed)} parts: typically {rate(typical)}, "
        f"between {rate(min(rates))} and {rate(max(rates))}."
    )
    finished = [heap[-1].finished_at for heap in heaps]
    svg = Markup(plots.throughput_over_time(finished, rates, typical, name="throughput"))
    return {"svg": svg, "alt": alt, "typical": typical, "slowest": min(rates), "parts": len(timed)}
