"""The steps of a run, each safe to repeat.

    settle      an earlier run has finished the work: put its last records right, or None
    begin       the run's row in SQL
    partition   read, check, and partition the source (partitioner.py)
    score       one partition after another
    load        one finished partition into SQL
    publish     Parquet, all at once, here and then in the bucket; the run's row says `finished`
    stop, fail  the run's row says so
    clear       delete what staging holds of a published run

A step finds what earlier runs, killed or stopped, have left, and goes on from there.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from services.modelling.provenance import code_version
from services.reporting.figures import counted
from tasks.sentiment.errors import DeliveryAway, DeliveryError, PublicationError, RunConflict
from tasks.sentiment.reading.origin import refuse_taken_date
from tasks.sentiment.reading.source import Source
from tasks.sentiment.run import publication
from tasks.sentiment.run.acceptance import tolerated
from tasks.sentiment.run.partitioner import rejected_rows
from tasks.sentiment.run.partitions import (
    Outcome,
    PartitionResult,
    finished_partitions,
    merged_statistics,
    read_result,
    rows_to_load,
    score_partition,
)
from tasks.sentiment.run.plan import Plan, discard, read_plan, release_reserve
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.run.scoring_run import ScoringRun
from tasks.sentiment.scoring.scorer import TextScorer
from tasks.sentiment.sql.tables import RunRow


def settle(run: ScoringRun, source: Source) -> Outcome | None:
    """If the results are published already, say so; the SQL row of the run that published them
    is mended if it was killed before it could write it.

    None if there is something to do: another input or request, `rescore`, a published file that
    is gone, or a database that knows nothing of the run.
    Raises:
        SourceError: the source's name, or the run date, has another input.
        DeliveryError: the bucket cannot be used; or lacks the results, and does not answer.
    """
    folder, warehouse = run.folder, run.warehouse()
    warehouse.prepare()
    _catch_up(run)
    warehouse.check_origin(folder.source, run.origin)
    entry = publication.read_manifest(folder.scores)["sources"].get(folder.source)
    if entry is not None:
        run_date = folder.run_date.isoformat()
        refuse_taken_date(folder.source, run_date, run.origin, entry.get("origin"))
    fingerprint = source.fingerprint()
    if entry is None or fingerprint is None or entry["fingerprint"] != fingerprint:
        return None
    if not _answers(run, entry) or not publication.is_whole(folder.scores, entry):
        return None
    row = warehouse.run(entry["run_id"])
    if row is None or warehouse.has_unfinished_run_since(row):
        return None  # another run was killed or stopped since, perhaps in the middle of loading
    publication.deliver(folder, run.scores_url)
    if row.status != "finished":
        warehouse.update_run(row.run_id, **_finished_values(entry))
    discard(folder)
    counts = entry["counts"]
    reused = counts["scored"] + counts["reused"]
    return Outcome("finished", row.run_id, **{**counts, "scored": 0, "reused": reused})


def _catch_up(run: ScoringRun) -> None:
    """Let the bucket have what runs of other dates were killed in, or failed at, and finish their
    rows in SQL. A server that is away is asked again when this run publishes."""
    if run.scores_url is None:
        return
    with suppress(DeliveryAway):
        publication.check_bucket(run.scores_url)
        for run_date in publication.undelivered(run.folder.home):
            if run_date != run.folder.run_date:
                _finish_delivery(replace(run.folder, run_date=run_date), run)


def _finish_delivery(folder: RunFolder, run: ScoringRun) -> None:
    try:
        publication.deliver(folder, run.scores_url)
        entries = publication.read_manifest(folder.scores)["sources"].values()
    except DeliveryError:
        raise
    except PublicationError:  # of files that are gone or damaged the doctor tells
        return
    for entry in entries:
        row = run.warehouse().run(entry["run_id"])
        if row is not None and row.status != "finished":
            run.warehouse().update_run(row.run_id, **_finished_values(entry))


def _answers(run: ScoringRun, entry: Mapping[str, Any]) -> bool:
    """Whether a published entry is what the run asks for; if of too few rows, or with too many
    rejected, partitioning will say so."""
    rows_read, rejected = entry["counts"]["rows_read"], entry["counts"]["rejected"]
    rejected -= entry.get("tolerated", 0)  # earlier versions tolerated none
    return bool(
        not run.rescore
        and entry["request_digest"] == run.request.digest
        and rows_read >= run.min_rows
        and rejected <= run.max_rejected_share * rows_read
    )


def begin(run: ScoringRun) -> None:
    """Write the run's row; runs of the source that were killed become `failed`."""
    warehouse = run.warehouse()
    warehouse.prepare()
    warehouse.begin_run(
        RunRow(
            run_id=run.run_id,
            source=run.folder.source,
            run_date=run.folder.run_date,
            status="running",
            model=run.request.model,
            model_digest=run.request.model_digest,
            precision=run.request.precision,
            started_at=run.started_at,
            code_version=code_version(),
        )
    )
    for row in warehouse.running(run.folder.source):
        if row.run_date != run.folder.run_date:
            other = replace(run.folder, run_date=row.run_date)
            with suppress(RunConflict), other.lock():  # one that is at work is left alone
                warehouse.update_run(
                    row.run_id,
                    status="failed",
                    ended_at=run.started_at,
                    message=f"killed; noticed by {run.run_id}",
                )


def score(
    run: ScoringRun, plan: Plan, number: int, open_scorer: Callable[[], TextScorer]
) -> PartitionResult | None:
    """Score a partition, or look up a finished one; None if it would not end within the window."""
    finished = read_result(run.folder, number)
    if finished is not None:
        return finished
    if run.window.ends_at is not None:  # without an end, no need to read all markers
        results = finished_partitions(run.folder, plan)
        done = [(result.rows, result.seconds) for result in results]
        if not run.window.fits(run.clock(), plan.parts[number], done):
            return None
    return score_partition(run, number, open_scorer)


def load(run: ScoringRun, number: int) -> int:
    """Load a finished partition in one transaction; loading it again changes nothing."""
    return run.warehouse().load_scores(rows_to_load(run.folder, number))


def publish(run: ScoringRun, plan: Plan, precision: str) -> Outcome:
    """Publish the run, whose partitions are all finished and loaded; readers see it whole.

    Raises: DeliveryError: it is published here, and the bucket lacks it.
    """
    results = finished_partitions(run.folder, plan)
    outcome = Outcome.of("finished", run.run_id, plan, results)
    if outcome.rows_waiting or outcome.rows_read != plan.rows_read:
        raise AssertionError(f"the run is not complete: {outcome}")
    statistics = merged_statistics(run.folder, results)
    warehouse = run.warehouse()
    folder = run.folder
    warehouse.load_rejected(folder.source, folder.run_date, run.run_id, rejected_rows(run, plan))
    entry = {
        "run_id": run.run_id,
        "request": asdict(run.request),
        "request_digest": run.request.digest,
        "origin": run.origin.place,
        "fingerprint": plan.fingerprint,
        "content_digest": plan.content_digest,
        "precision": precision,
        "counts": outcome.counts,
        "tolerated": tolerated(plan),
        "positive_share": statistics.positive_share,
        "histogram": list(statistics.histogram),
        "neutral_share": statistics.neutral_share,
        "ended_at": run.clock().isoformat(),
        "code_version": code_version(),
    }
    publication.publish(folder, plan, entry, run.scores_url)
    warehouse.update_run(run.run_id, **_finished_values(entry))
    return outcome


def _finished_values(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a finished run's row, from the manifest's entry."""
    return {
        "status": "finished",
        "precision": entry["precision"],
        **entry["counts"],
        "positive_share": entry["positive_share"],
        "histogram": entry["histogram"],
        "neutral_share": entry.get("neutral_share"),
        "ended_at": datetime.fromisoformat(entry["ended_at"]),
        "message": "",
    }


def stop(run: ScoringRun, plan: Plan, precision: str) -> Outcome:
    """End the run at the end of its window; what is done stays for the next."""
    outcome = Outcome.of("stopped", run.run_id, plan, finished_partitions(run.folder, plan))
    run.warehouse().update_run(
        run.run_id,
        status="stopped",
        **outcome.counts,
        precision=precision,
        ended_at=run.clock(),
        message=f"stopped at the end of the window; {counted(outcome.rows_waiting, 'row')} waiting",
    )
    return outcome


def fail(run: ScoringRun, message: str) -> None:
    """Mark the run as failed, with the counts of what it has finished; if it has begun.

    Where the database cannot take it, the next run of the source marks it.
    """
    release_reserve(run.folder)
    warehouse = run.warehouse()
    row = warehouse.run(run.run_id)
    if row is None or row.status == "finished":
        return
    plan = read_plan(run.folder)
    counts: dict[str, int] = {}
    if plan is not None and plan.request_digest == run.request.digest:
        results = finished_partitions(run.folder, plan)
        counts = Outcome.of("failed", run.run_id, plan, results).counts
    ended_at = run.clock()
    warehouse.update_run(run.run_id, status="failed", **counts, ended_at=ended_at, message=message)


def clear(run: ScoringRun) -> None:
    """Delete the staging of the published run, and of earlier run dates that it has caught up
    with: same source, same reference."""
    folder = run.folder
    _discard_staging(folder)
    for staged in folder.staging.parent.parent.glob(f"run_date=*/{folder.slug}"):
        try:
            day = date.fromisoformat(staged.parent.name.removeprefix("run_date="))
        except ValueError:  # not ours
            continue
        if day < folder.run_date:
            other = replace(folder, run_date=day)
            with suppress(RunConflict), other.lock():  # one that is at work is left alone
                plan = read_plan(other)
                if plan is not None and plan.source == run.request.source:
                    _discard_staging(other)


def _discard_staging(folder: RunFolder) -> None:
    discard(folder)
    with suppress(OSError):  # other sources are staged there, or it is gone
        folder.staging.parent.rmdir()
