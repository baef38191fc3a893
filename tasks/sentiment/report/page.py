"""The page of a run; one of no rows has a page too."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from markupsafe import Markup

from services.reporting.figures import duration, integer, percent, points, rate
from services.reporting.page import render
from tasks.sentiment.report import plots
from tasks.sentiment.report.drift import Comparison
from tasks.sentiment.run.groups import NONE, OTHER
from tasks.sentiment.run.partitions import Outcome, PartitionResult
from tasks.sentiment.run.plan import Plan
from tasks.sentiment.run.scoring_run import ScoringRun
from tasks.sentiment.run.statistics import ScoreStatistics

MAX_UNKNOWN_SHARE = 0.02  # of texts without a known word; some are figures or a row of dots
MAX_BARS = 20
MIN_DAYS_FOR_A_CURVE = 8
MAX_POINTS = 300
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?")


@dataclass(frozen=True)
class RunReport:
    """All that the page and the summaries show of a run; nothing in it needs the data again."""

    run: ScoringRun
    plan: Plan
    outcome: Outcome
    precision: str
    why_precision: str  # how it compares with float32 on this machine
    seconds: float  # of the whole run
    ended_at: datetime
    statistics: ScoreStatistics
    throughput: Sequence[PartitionResult]
    comparison: Comparison
    where: Mapping[str, str]  # what -> path, table or address
    parameters: Mapping[str, object]
    label_rule: str = ""  # which class of the model counts as which label, if its names do not say

    @property
    def reviews_per_second(self) -> float | None:
        """Scored reviews by the seconds of the whole run; None when nothing was scored."""
        scored = self.outcome.scored
        return scored / self.seconds if scored and self.seconds > 0 else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is out of the ordinary: in itself, and beside the runs before."""
        is_empty = self.outcome.status == "finished" and not self.outcome.rows_read
        empty = ("The source was empty: no rows were read.",) if is_empty else ()
        hint = self.plan.encoding_hint
        encoding = (f"{hint[0].upper()}{hint[1:]}.",) if hint else ()
        return (
            *empty,
            *encoding,
            *self.plan.warnings,
            *self._about_unknown_texts(),
            *self.comparison.warnings,
        )

    def _about_unknown_texts(self) -> tuple[str, ...]:
        unknown, accepted = self.plan.unknown, self.plan.accepted
        if unknown <= MAX_UNKNOWN_SHARE * accepted:
            return ()
        rows = ", ".join(map(str, self.plan.unknown_rows))
        return (
            f"The model knows no word of {percent(unknown / accepted)} of the texts "
            f"({integer(unknown)} of {integer(accepted)}, row {rows}"
            f"{', …' if unknown > len(self.plan.unknown_rows) else ''}): they may be in another "
            "language, and what it says of them means nothing. --reject-unknown-text rejects them.",
        )

    @property
    def left_over(self) -> str | None:
        """What a stopped run leaves to the next one, in a sentence; None if it is finished."""
        waiting = self.outcome.rows_waiting
        if self.outcome.status == "finished":
            return None
        rows, verb = f"{waiting:,} reviews", "wait"
        if waiting == 1:
            rows, verb = "1 review", "waits"
        return (
            f"The window closed before the end: {rows} still {verb} for a result. "
            "Run the same command again, tonight or tomorrow; it goes on where it stopped."
        )


def render_html(report: RunReport) -> str:
    """The page as text, to be written as UTF-8."""
    return render(
        Path(__file__).with_name("report.html"),
        filters={f.__name__: f for f in (integer, percent, points, rate, duration)},
        values={
            "report": report,
            "run": report.run,
            "plan": report.plan,
            "outcome": report.outcome,
            "statistics": report.statistics,
            "comparison": report.comparison,
            "groups": _groups(report),
            "histogram": _histogram(report),
            "throughput": _throughput(report.throughput),
            "sql": _sql(report.run.folder.source),
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
    tally = report.statistics.groups.tally
    overall = report.statistics.positive_share
    if report.run.request.group_column is None or not tally or overall is None:
        return None
    named = {name: counts for name, counts in tally.items() if name not in (NONE, OTHER)}
    unplaced = sum(rows for name, (rows, _) in tally.items() if name not in named)
    days = report.statistics.groups.are_days
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
    before = report.comparison.histogram_then
    sure = (counts[0] + counts[-1]) / rows
    width = 1 / len(counts)
    alt = (
        f"Histogram of the positive probability in {len(counts)} bins: "
        f"{percent(counts[0] / rows)} of the reviews below {width:.2f}, "
        f"{percent(counts[-1] / rows)} from {1 - width:.2f} on."
    )
    if before is not None:
        alt += " An outline shows the previous runs."
    has_neutral = report.statistics.neutral is not None
    svg = Markup(plots.probability_histogram(counts, before, has_neutral, name="histogram"))
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
