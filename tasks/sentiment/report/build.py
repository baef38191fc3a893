"""Everything that the report of a night shows, gathered from staging and SQL."""

from datetime import UTC
from pathlib import Path
from typing import Literal, cast

from tasks.sentiment.report.drift import PreviousRun, compare_to_previous
from tasks.sentiment.report.page import NightReport, PartThroughput
from tasks.sentiment.run import partitions
from tasks.sentiment.run.partitions import Plan
from tasks.sentiment.run.steps import Attempt, Outcome
from tasks.sentiment.sql.tables import RunRow

COMPARED_RUNS = 7  # a week of nights
EMPTY_RUNS = 53  # that may lie among them: an input that comes once a week has six such nights


def gather(
    attempt: Attempt, plan: Plan, precision: str, outcome: Outcome, why_precision: str = ""
) -> NightReport:
    """The report of a night that has just been finished or stopped."""
    results = partitions.finished_parts(attempt.night, plan)
    statistics = partitions.merged_statistics(attempt.night, results)
    ended_at = attempt.clock().astimezone(UTC)
    earlier = [r for r in results if r.finished_at < attempt.started_at]  # by a killed run
    seconds = (ended_at - attempt.started_at).total_seconds() + sum(r.seconds for r in earlier)
    previous = attempt.warehouse().previous_finished_runs(
        attempt.night.source, attempt.started_at, COMPARED_RUNS + EMPTY_RUNS
    )
    return NightReport(
        source=attempt.night.source,
        run_date=attempt.night.run_date,
        run_id=attempt.run_id,
        status=cast(Literal["finished", "stopped"], outcome.status),
        model=attempt.request.model,
        model_digest=attempt.request.model_digest,
        precision=precision,
        why_precision=why_precision,
        rows_read=outcome.rows_read,
        scored=outcome.scored,
        reused=outcome.reused,
        rejected=outcome.rejected,
        rows_waiting=outcome.rows_waiting,
        seconds=seconds,
        statistics=statistics,
        group_column=attempt.request.group_column,
        throughput=[PartThroughput(r.number, r.rows, r.seconds, r.finished_at) for r in results],
        rejected_reasons=plan.rejected_reasons,
        accepted=plan.accepted,
        unknown=plan.unknown,
        unknown_rows=plan.unknown_rows,
        comparison=compare_to_previous(
            statistics,
            rows_read=plan.rows_read,  # also of a stopped night: all rejects are known
            rejected=outcome.rejected,
            previous=[_previous(run) for run in previous if any(run.histogram or ())][
                :COMPARED_RUNS
            ],
        ),
        where=_places(attempt, outcome),
        parameters={
            "source": attempt.request.source,
            "text_column": attempt.request.text_column,
            "id_column": attempt.request.id_column or "(digest of the text)",
            "carry": ", ".join(attempt.request.carry) or "(none)",
            "rows_per_part": attempt.request.rows_per_part,
            "max_rejected_share": attempt.max_rejected_share,
            "window ends": attempt.window.ends_at or "(no window)",
            "rescore": attempt.rescore,
        },
        ended_at=ended_at,
    )


def _previous(run: RunRow) -> PreviousRun:
    return PreviousRun(
        run_id=run.run_id,
        run_date=run.run_date.isoformat(),
        positive_share=run.positive_share or 0.0,
        histogram=tuple(run.histogram or ()),
        rows_read=run.rows_read,
        rejected=run.rejected,
    )


def _places(attempt: Attempt, outcome: Outcome) -> dict[str, str]:
    night, address = attempt.night, attempt.warehouse().address
    places = {
        "report": _short(night.report(attempt.run_id)),
        "SQL": f"{address}: review_sentiment, sentiment_runs, rejected_reviews",
    }
    if outcome.status == "finished":
        places["Parquet"] = f"{_short(night.scores)}/"
        if outcome.rejected:
            places["rejected rows"] = f"{_short(night.rejected)}/"
    return places


def _short(path: Path) -> str:
    """Relative to where the command runs, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
