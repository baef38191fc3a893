"""The report of a run, built from staging and SQL."""

from datetime import UTC
from pathlib import Path

from tasks.sentiment.report.drift import compare_to_previous
from tasks.sentiment.report.page import RunReport
from tasks.sentiment.run.partitions import Outcome, finished_partitions, merged_statistics
from tasks.sentiment.run.plan import Plan
from tasks.sentiment.run.scoring_run import ScoringRun
from tasks.sentiment.scoring.labels import ClassLabels
from tasks.sentiment.scoring.precision import Choice, describe_choice

COMPARED_RUNS = 7  # a week of runs
EMPTY_RUNS = 53  # that may lie among them: an input that comes once a week has six such runs


def build_report(
    run: ScoringRun,
    plan: Plan,
    choice: Choice,
    outcome: Outcome,
    labels: ClassLabels | None = None,
) -> RunReport:
    """The report of a run that has just been finished or stopped.

    labels: of the model's classes, where they are more than the two names say.
    """
    results = finished_partitions(run.folder, plan)
    statistics = merged_statistics(run.folder, results)
    ended_at = run.clock().astimezone(UTC)
    earlier = [r for r in results if r.finished_at < run.started_at]  # by a killed run
    seconds = (ended_at - run.started_at).total_seconds() + sum(r.seconds for r in earlier)
    previous = run.warehouse().previous_finished_runs(
        run.folder.source, run.started_at, COMPARED_RUNS + EMPTY_RUNS
    )
    return RunReport(
        run=run,
        plan=plan,
        outcome=outcome,
        precision=choice.precision,
        why_precision=describe_choice(choice),
        seconds=seconds,
        ended_at=ended_at,
        statistics=statistics,
        throughput=results,
        comparison=compare_to_previous(
            statistics,
            rows_read=plan.rows_read,  # also of a stopped run: all rejects are known
            rejected=outcome.rejected,
            previous=[row for row in previous if row.rows][:COMPARED_RUNS],
        ),
        where=_places(run, outcome),
        parameters={
            "source": run.request.source,
            "text_column": run.request.text_column,
            "id_column": run.request.id_column or "(digest of the text)",
            "carry": ", ".join(run.request.carry) or "(none)",
            **({"read as": plan.how_read} if plan.read_as else {}),
            "rows_per_part": run.request.rows_per_part,
            "max_rejected_share": run.max_rejected_share,
            "window ends": run.window.ends_at or "(no window)",
            "rescore": run.rescore,
        },
        label_rule=labels.rule if labels else "",
    )


def _places(run: ScoringRun, outcome: Outcome) -> dict[str, str]:
    folder, address = run.folder, run.warehouse().address
    places = {
        "report": _short(folder.report(run.run_id)),
        "SQL": f"{address}: review_sentiment, sentiment_runs, rejected_reviews",
    }
    if outcome.status == "finished":
        places["Parquet"] = f"{_short(folder.scores)}/"
        if run.scores_url is not None:
            places["in the bucket"] = f"{run.scores_url}/scores/{folder.scores.name}/"
        if outcome.rejected:
            places["rejected rows"] = f"{_short(folder.rejected)}/"
    return places


def _short(path: Path) -> str:
    """Relative to where the command runs, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
