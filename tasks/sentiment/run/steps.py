"""One attempt at a night: its steps, each safe to repeat.

    settle      an earlier attempt has finished the night: put its last records right, or None
    begin       the run's row in SQL
    cut         read, check, and cut into parts
    score       one part after another
    load        one finished part into SQL
    publish     Parquet, all at once; the run's row says `finished`
    stop, fail  the run's row says so

A step finds what earlier attempts, killed or stopped, have left, and goes on from there.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from tasks.sentiment.errors import RejectedTooMany, RunConflict, TooFewRows
from tasks.sentiment.reading.origin import Origin, refuse_other_night
from tasks.sentiment.reading.reviews import ReviewChecker
from tasks.sentiment.reading.seen_ids import Ledger
from tasks.sentiment.reading.source import Source
from tasks.sentiment.run import partitions, publication
from tasks.sentiment.run.partitions import Cutter, PartResult, Plan, TextScorer
from tasks.sentiment.run.run_folder import Night, Request
from tasks.sentiment.run.window import Pace, Window
from tasks.sentiment.sql.tables import RunRow, ScoredRow
from tasks.sentiment.sql.warehouse import Warehouse
from tasks.sentiment.text import text_digest


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Attempt:
    """All that the steps need to know. Small, and safe to send to another process."""

    night: Night
    request: Request
    run_id: str
    started_at: datetime
    rescore: bool
    max_rejected_share: float
    window: Window
    warehouse_url: str = field(repr=False)  # may hold a password
    min_rows: int = 0
    clock: Callable[[], datetime] = utc_now
    origin: Origin | None = None  # None: whoever calls answers for the source's name

    def warehouse(self) -> Warehouse:
        """One for each process, as connections are not shared between processes."""
        return _warehouse(self.warehouse_url, os.getpid())


@lru_cache(maxsize=4)
def _warehouse(url: str, _process: int) -> Warehouse:
    return Warehouse(url)


@dataclass(frozen=True)
class Outcome:
    """How a night stands. Always rows_read = scored + reused + rejected."""

    status: str
    run_id: str
    rows_read: int
    scored: int
    reused: int
    rejected: int
    rows_waiting: int
    parts: int
    parts_done: int

    @classmethod
    def of(cls, status: str, run_id: str, plan: Plan, results: Sequence[PartResult]) -> "Outcome":
        done = sum(result.rows for result in results)
        return cls(
            status=status,
            run_id=run_id,
            rows_read=done + plan.rejected,
            scored=sum(result.scored for result in results),
            reused=sum(result.reused for result in results),
            rejected=plan.rejected,
            rows_waiting=plan.accepted - done,
            parts=sum(1 for rows in plan.parts if rows),
            parts_done=sum(1 for result in results if result.rows),
        )


def settle(attempt: Attempt, source: Source) -> Outcome | None:
    """If this very night is published already, say so; its SQL row is mended if the publisher
    was killed before it could write it.

    None if there is something to do: another input or request, `rescore`, a published file that
    is gone, or a database that knows nothing of the run.
    Raises: SourceError: the source's name, or the night, is that of another input.
    """
    _check_origin(attempt)
    fingerprint = source.fingerprint()
    entry = _published(attempt)
    if entry is None or fingerprint is None or entry["fingerprint"] != fingerprint:
        return None
    return _settled(attempt, entry)


def _check_origin(attempt: Attempt) -> None:
    if attempt.origin is None:
        return
    night, warehouse = attempt.night, attempt.warehouse()
    warehouse.prepare()
    warehouse.check_origin(night.source, attempt.origin)
    entry = publication.read_manifest(night.scores)["sources"].get(night.source, {})
    refuse_other_night(
        night.source, night.run_date.isoformat(), attempt.origin, entry.get("origin")
    )


def _published(attempt: Attempt) -> dict[str, Any] | None:
    """The manifest's entry of this night, if it answers the same request."""
    manifest = publication.read_manifest(attempt.night.scores)
    entry: dict[str, Any] | None = manifest["sources"].get(attempt.night.source)
    if entry is None or attempt.rescore or entry["request_digest"] != attempt.request.digest:
        return None
    counts = entry["counts"]
    is_too_small = counts["rows_read"] < attempt.min_rows
    if is_too_small or counts["rejected"] > attempt.max_rejected_share * counts["rows_read"]:
        return None  # the cut will say so
    return entry


def _settled(attempt: Attempt, entry: Mapping[str, Any]) -> Outcome | None:
    warehouse = attempt.warehouse()
    warehouse.prepare()
    run = warehouse.run(entry["run_id"])
    if not publication.is_whole(attempt.night.scores, entry):
        return None
    if run is None or warehouse.has_unfinished_run_since(run):
        return None  # another run was killed or stopped since, perhaps in the middle of loading
    if run.status != "finished":
        warehouse.update_run(run.run_id, **_finishing(entry))
    partitions.discard(attempt.night)
    counts = entry["counts"]
    return Outcome(
        status="finished",
        run_id=run.run_id,
        rows_read=counts["rows_read"],
        scored=0,
        reused=counts["scored"] + counts["reused"],
        rejected=counts["rejected"],
        rows_waiting=0,
        parts=counts["parts"],
        parts_done=counts["parts"],
    )


def begin(attempt: Attempt) -> None:
    """Write the run's row; runs of the source that were killed become `failed`."""
    warehouse = attempt.warehouse()
    warehouse.prepare()
    warehouse.begin_run(
        RunRow(
            run_id=attempt.run_id,
            source=attempt.night.source,
            run_date=attempt.night.run_date,
            status="running",
            model=attempt.request.model,
            model_digest=attempt.request.model_digest,
            precision=attempt.request.precision,
            rows_read=0,
            scored=0,
            reused=0,
            rejected=0,
            rows_waiting=0,
            parts=0,
            parts_done=0,
            positive_share=None,
            histogram=None,
            started_at=attempt.started_at,
            ended_at=None,
            message="",
        )
    )
    for run in warehouse.running(attempt.night.source):
        if run.run_date != attempt.night.run_date:
            other = replace(attempt.night, run_date=run.run_date)
            with suppress(RunConflict), other.lock():  # one that is at work is left alone
                warehouse.update_run(
                    run.run_id,
                    status="failed",
                    ended_at=attempt.started_at,
                    message=f"killed; noticed by {attempt.run_id}",
                )


def cut(attempt: Attempt, source: Source, knows: Callable[[str], bool] = lambda _: True) -> Plan:
    """Read the source, check each row, and cut the accepted ones into parts in staging.

    knows: whether the model knows a word of a text.

    A complete cut of the same input and request is kept as it is, unless `rescore` asks for a
    night that an earlier attempt has not begun with the same wish.
    Raises:
        SourceError: the input cannot be read as asked.
        TooFewRows: and nothing was published.
        RejectedTooMany: says how many, why, and where to look at them.
    """
    plan = partitions.read_plan(attempt.night)
    fingerprint = source.fingerprint()
    is_same = (
        plan is not None
        and plan.request_digest == attempt.request.digest
        and plan.rescore == attempt.rescore
        and plan.database == database_digest(attempt.warehouse_url)
        and fingerprint is not None  # what a query finds may differ by now
        and plan.fingerprint == fingerprint
    )
    if plan is None or not is_same:
        plan = _cut_anew(attempt, source, fingerprint, knows)
    if plan.rows_read < attempt.min_rows:
        raise TooFewRows(
            f"{attempt.request.source} has {plan.rows_read:,} rows where {attempt.min_rows:,} are"
            " asked for (--min-rows). Nothing was published"
        )
    if plan.rejected > attempt.max_rejected_share * plan.rows_read:
        raise RejectedTooMany(_why_rejected(attempt, plan))
    if attempt.origin is not None:  # from here on there will be results under the name
        attempt.warehouse().claim_origin(
            attempt.night.source, attempt.origin, attempt.run_id, attempt.clock()
        )
    partitions.hold_reserve(attempt.night)
    return plan


def database_digest(url: str) -> str:
    """Tells databases apart without keeping a password."""
    return text_digest(url)[:16]


def _cut_anew(
    attempt: Attempt, source: Source, fingerprint: str | None, knows: Callable[[str], bool]
) -> Plan:
    request = attempt.request
    group = (request.group_column,) if request.group_column else ()
    columns = [request.text_column, request.id_column, *group, *request.carry]
    rows = source.rows(list(dict.fromkeys(column for column in columns if column)))
    cutter = Cutter(
        attempt.night,
        request,
        attempt.run_id,
        attempt.rescore,
        database_digest(attempt.warehouse_url),
        source.types(),
    )
    count = 0
    try:
        with Ledger(attempt.night.staging) as ledger:
            checker = ReviewChecker(
                ledger,
                text_column=request.text_column,
                id_column=request.id_column,
                carry=(*request.carry, *group),
                keep_null_words=request.keep_null_words,
                spelling=ledger.spelling,
                knows=knows,
                reject_unknown=request.reject_unknown_text,
            )
            if request.id_column is not None:
                for review_id, spelling in attempt.warehouse().spellings(attempt.night.source):
                    ledger.keep_spelling(review_id, spelling)
            for raw in rows:
                count += 1
                cutter.add(checker.check(raw))
    except BaseException:
        partitions.discard(attempt.night)
        raise
    return cutter.finish(count, fingerprint)


def _why_rejected(attempt: Attempt, plan: Plan) -> str:
    reasons = sorted(plan.rejected_reasons.items(), key=lambda item: -item[1][0])
    listed = "; ".join(
        f"{count:,} x {reason} (row {', '.join(map(str, rows))}"
        + (", …)" if count > len(rows) else ")")
        for reason, (count, rows) in reasons[:4]
    )
    return (
        f"{plan.rejected:,} of {plan.rows_read:,} rows rejected,"
        f" {plan.rejected / plan.rows_read:.1%} where {attempt.max_rejected_share:.1%} are allowed"
        f" (--max-rejected-share): {listed}. Nothing was published;"
        f" the rows are in {attempt.night.staging}/rejected-*.parquet"
    )


def score(
    attempt: Attempt, plan: Plan, number: int, scorer: Callable[[], TextScorer]
) -> PartResult | None:
    """Score a part, or look up a finished one; None if it would not end within the window."""
    finished = partitions.read_result(attempt.night, number)
    if finished is not None:
        return finished
    if attempt.window.ends_at is not None:  # without an end, no need to read all markers
        results = partitions.finished_parts(attempt.night, plan)
        paces = [Pace(result.rows, result.seconds) for result in results]
        if not attempt.window.fits(attempt.clock(), plan.parts[number], paces):
            return None

    def find_scores(review_ids: Sequence[str]) -> Mapping[str, ScoredRow]:
        if attempt.rescore:
            return {}
        return attempt.warehouse().find_scores(
            attempt.night.source, review_ids, attempt.request.model_digest
        )

    return partitions.score_part(
        attempt.night,
        number,
        attempt.request.model,
        attempt.request.model_digest,
        attempt.run_id,
        scorer,
        find_scores,
        attempt.clock,
    )


def load(attempt: Attempt, number: int) -> int:
    """Load a finished part into SQL in one transaction; loading it again changes nothing."""
    return attempt.warehouse().load_scores(partitions.rows_to_load(attempt.night, number))


def publish(attempt: Attempt, plan: Plan, precision: str) -> Outcome:
    """Publish the night, whose parts are all finished and loaded; readers see it whole."""
    results = partitions.finished_parts(attempt.night, plan)
    outcome = Outcome.of("finished", attempt.run_id, plan, results)
    if outcome.rows_waiting or outcome.rows_read != plan.rows_read:
        raise AssertionError(f"the night is not complete: {outcome}")
    statistics = partitions.merged_statistics(attempt.night, results)
    warehouse = attempt.warehouse()
    warehouse.load_rejected(
        attempt.night.source,
        attempt.night.run_date,
        attempt.run_id,
        partitions.rejected_rows(attempt.night, plan),
    )
    counts = asdict(outcome)
    entry = {
        "run_id": counts.pop("run_id"),
        "request": asdict(attempt.request),
        "request_digest": attempt.request.digest,
        "origin": attempt.origin.place if attempt.origin else None,
        "fingerprint": plan.fingerprint,
        "content_digest": plan.content_digest,
        "precision": precision,
        "counts": {k: v for k, v in counts.items() if k != "status"},
        "positive_share": statistics.positive_share,
        "histogram": list(statistics.histogram),
        "ended_at": attempt.clock().isoformat(),
    }
    publication.publish(attempt.night, plan, entry)
    warehouse.update_run(attempt.run_id, **_finishing(entry))
    return outcome


def _finishing(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a finished run's row, from the manifest's entry."""
    return {
        "status": "finished",
        "precision": entry["precision"],
        **entry["counts"],
        "positive_share": entry["positive_share"],
        "histogram": entry["histogram"],
        "ended_at": datetime.fromisoformat(entry["ended_at"]),
        "message": "",
    }


def clear(attempt: Attempt) -> None:
    """Delete the staging of the published night, and of earlier nights that it has caught up
    with: same source, same reference."""
    night = attempt.night
    _discard_staging(night)
    for folder in night.staging.parent.parent.glob(f"run_date=*/{night.slug}"):
        try:
            day = date.fromisoformat(folder.parent.name.removeprefix("run_date="))
        except ValueError:  # not ours
            continue
        if day < night.run_date:
            other = replace(night, run_date=day)
            with suppress(RunConflict), other.lock():  # one that is at work is left alone
                plan = partitions.read_plan(other)
                if plan is not None and plan.source == attempt.request.source:
                    _discard_staging(other)


def _discard_staging(night: Night) -> None:
    partitions.discard(night)
    with suppress(OSError):  # other sources are staged there, or it is gone
        night.staging.parent.rmdir()


def stop(attempt: Attempt, plan: Plan, precision: str) -> Outcome:
    """End the run at the end of its window; what is done stays for the next."""
    results = partitions.finished_parts(attempt.night, plan)
    outcome = Outcome.of("stopped", attempt.run_id, plan, results)
    counts = asdict(outcome)
    message = f"stopped at the end of the window; {outcome.rows_waiting} rows wait"
    attempt.warehouse().update_run(
        counts.pop("run_id"),
        **counts,
        precision=precision,
        ended_at=attempt.clock(),
        message=message,
    )
    return outcome


def fail(attempt: Attempt, message: str) -> None:
    """Mark the run as failed, with the counts of what it has finished; if it has begun.

    Where the database cannot take it, the next run of the source marks it.
    """
    partitions.release_reserve(attempt.night)
    warehouse = attempt.warehouse()
    run = warehouse.run(attempt.run_id)
    if run is None or run.status == "finished":
        return
    plan = partitions.read_plan(attempt.night)
    counts: dict[str, Any] = {}
    if plan is not None and plan.request_digest == attempt.request.digest:
        outcome = Outcome.of(
            "failed", attempt.run_id, plan, partitions.finished_parts(attempt.night, plan)
        )
        counts = asdict(outcome)
        counts.pop("run_id")
    warehouse.update_run(
        attempt.run_id, **{**counts, "status": "failed"}, ended_at=attempt.clock(), message=message
    )
