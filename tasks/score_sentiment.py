"""The tasks of the flow `score_sentiment`: plain functions of tasks.sentiment, run by Prefect.

Torch is loaded by the functions that need it, in the process that needs it, and by nothing
that `--help` runs through.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import prefect.runtime
from prefect import get_run_logger, task
from prefect.futures import as_completed
from prefect.tasks import Task

from services.reporting.markdown import escape
from services.storage.files import write_text
from tasks.operations.lineage.made import remember_scorer
from tasks.orchestration import faults
from tasks.orchestration.policies import DB_RETRY, IO_RETRY, PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.orchestration.reporting import add_markdown, add_table, run_parameters, scheduled_time
from tasks.orchestration.task_runner import open_task_runner, threads_per_scorer
from tasks.orchestration.terminal import print_notice, print_result
from tasks.sentiment.errors import SentimentError
from tasks.sentiment.reading.origin import Origin, place_of
from tasks.sentiment.reading.recognition.dialect import UTF8, TextFormat
from tasks.sentiment.reading.remote.address import Access, scheme_of
from tasks.sentiment.reading.source import Source, open_source
from tasks.sentiment.report.build import build_report
from tasks.sentiment.run import partitioner, publication, steps
from tasks.sentiment.run.partitions import Outcome as Outcome  # the flow's result
from tasks.sentiment.run.partitions import PartitionResult
from tasks.sentiment.run.plan import Plan
from tasks.sentiment.run.run_folder import RunFolder
from tasks.sentiment.run.scoring_run import Request, ScoringRun
from tasks.sentiment.run.window import Window, describe_window
from tasks.sentiment.scoring.known_words import KnownWords
from tasks.sentiment.scoring.labels import AskedLabels
from tasks.sentiment.scoring.machine import usable_cores
from tasks.sentiment.scoring.model import ModelFolder, find_model, find_same_model
from tasks.sentiment.scoring.precision import Choice, choose_precision, open_scorer
from tasks.sentiment.sql.warehouse import Warehouse
from tasks.settings import Settings

ERRORS = (SentimentError,)
PATIENCE_S = 2.0  # for another run that looks whether this one is alive
SAMPLE = 256  # texts on which precisions are measured


def name_run() -> str:
    """The run's name in the UI: flow, run date and source."""
    given = run_parameters()
    day = given.get("run_date") or scheduled_time().astimezone(ZoneInfo(given["time_zone"])).date()
    name = given.get("source_name")
    if not name:
        try:
            name = _open(given["source"], UTF8).name
        except SentimentError:  # the run itself will say what is wrong
            name = scheme_of(given["source"]) or given["source"][:40]
    return f"score-sentiment {day} {name}"


def find_source(asked: Any) -> Source:
    """The source of a ScoreSentiment or of a Request. Raises: SourceError: there is none."""
    names = (field.name for field in fields(TextFormat))
    text = TextFormat(**{name: getattr(asked, name) for name in names})
    return _open(asked.source, text)


def _open(source: str, text: TextFormat) -> Source:
    settings = Settings()
    access = Access(*settings.source_access)
    return open_source(source, text, query_url=settings.query_url, access=access)


def is_finished(params: Any) -> bool:
    """Whether a source's run date is published as it is asked for, and SQL knows it.

    params: a ScoreSentiment with a source name and a run date. A source that is gone is as it was.
    """
    folder = RunFolder(Settings().home, params.source_name, params.run_date)
    entry = publication.read_manifest(folder.scores)["sources"].get(folder.source)
    if entry is None or not publication.is_whole(folder.scores, entry):
        return False
    asked = _request(params, _find_model(params).digest)
    row = Warehouse(Settings().warehouse_url).run(entry["run_id"])
    if row is None or row.status != "finished" or entry["request_digest"] != asked.digest:
        return False
    with suppress(SentimentError):
        return find_source(params).fingerprint() in (None, entry["fingerprint"])
    return True


@contextmanager
def open_run(params: Any) -> Iterator[ScoringRun]:
    """Hold the run's folders for this process; a run that does not end well is marked as failed.

    params: the flow's ScoreSentiment.
    """
    settings, zone = Settings(), ZoneInfo(params.time_zone)
    run = _scoring_run(params, settings, zone)
    with run.folder.lock(PATIENCE_S):
        try:
            _announce_window(run.window, zone)
            yield run
        except BaseException as error:
            try:
                steps.fail(run, _describe_error(error, settings.home))
            except SentimentError as second:  # the first error is the one to tell
                error.add_note(f"the run could not be marked as failed: {second}")
            raise


def _scoring_run(params: Any, settings: Settings, zone: ZoneInfo) -> ScoringRun:
    opened, scheduled = find_source(params), scheduled_time()
    place = place_of(params.source, settings.query_url, settings.warehouse_url)
    model = _find_model(params)
    return ScoringRun(
        folder=RunFolder(
            home=settings.home,
            source=params.source_name or opened.name,
            run_date=params.run_date or scheduled.astimezone(zone).date(),
        ),
        request=_request(params, model.digest),
        origin=Origin(place, is_named=params.source_name is not None),
        run_id=prefect.runtime.flow_run.id,
        started_at=datetime.now(UTC),
        rescore=params.rescore,
        max_rejected_share=params.max_rejected_share,
        min_rows=params.min_rows,
        window=Window.until(params.stop_at, zone, scheduled),
        warehouse_url=settings.warehouse_url,
        scores_url=settings.scores_url,
    )


def _request(params: Any, model_digest: str) -> Request:
    ours = {"model_digest": model_digest, "group_column": params.report_by}
    names = (field.name for field in fields(Request) if field.name not in ours)
    return Request(**ours, **{name: getattr(params, name) for name in names})


def _find_model(params: Any) -> ModelFolder:
    asked = AskedLabels(params.positive_label, params.neutral_label)
    cache = Settings().home / "cache"
    return find_model(params.model, params.model_revision, cache=cache, asked=asked)


def _announce_window(window: Window, zone: ZoneInfo) -> None:
    """Say when the run will end by itself: for one started by hand that may be tomorrow."""
    if text := describe_window(window, datetime.now(UTC), zone):
        get_run_logger().info(text)
        print_notice(text)


def _describe_error(error: BaseException, home: Path) -> str:
    if isinstance(error, SentimentError):
        return faults.advise(str(error), home)
    return faults.describe(error, home) or str(error) or "interrupted"


@task(**DB_RETRY)
def settle(run: ScoringRun) -> Outcome | None:
    """The outcome if the work is finished already; otherwise the run begins.

    Where the report is missing it is done again: all is taken over, and the report written.
    """
    finished = steps.settle(run, find_source(run.request))
    if finished is not None and run.folder.report(finished.run_id).exists():
        return finished
    steps.begin(run)
    return None


def announce_finished(run: ScoringRun, outcome: Outcome) -> Outcome:
    """Say that there was nothing to do."""
    source = run.folder.source
    text = (
        f"of {run.folder.run_date} was finished by run {outcome.run_id}. 0 scored,"
        f" {outcome.reused:,} already there, {outcome.rejected:,} rejected. `--rescore` scores it"
        " again."
    )
    add_markdown("score-sentiment", f"Nothing to do: {escape(source)} {text}")
    print_result(f"Nothing to do: {source} {text}")
    return outcome


@task(**DB_RETRY, task_run_name="partition {run.folder.source}")
def partition_source(run: ScoringRun) -> Plan:
    """Read and check the source, and partition it."""
    known = KnownWords(_model(run).tokenizer)
    return partitioner.partition_source(run, find_source(run.request), known.in_text)


@task(**PLAIN)
def check_model(run: ScoringRun, plan: Plan) -> Choice:
    """Choose the precision on a sample of the input, or compare the one that was asked for with
    float32; and check the golden texts."""
    model, threads = _model(run), threads_per_scorer() or usable_cores()
    choice = choose_precision(
        model,
        lambda: partitioner.sample_texts(run, plan, SAMPLE),
        _cache(run),
        threads,
        run.request.precision,
    )
    open_scorer(model, choice.precision, threads=threads)
    return choice


def _model(run: ScoringRun) -> ModelFolder:
    asked = run.request
    return find_same_model(
        asked.model,
        asked.model_revision,
        asked.model_digest,
        cache=_cache(run),
        asked=AskedLabels(asked.positive_label, asked.neutral_label),
    )


def _cache(run: ScoringRun) -> Path:
    return run.folder.home / "cache"


def score_partition(
    run: ScoringRun, plan: Plan, number: int, precision: str
) -> PartitionResult | None:
    """Score one partition, if it would end within the window."""
    threads = threads_per_scorer()
    return steps.score(
        run, plan, number, lambda: open_scorer(_model(run), precision, threads=threads)
    )


def load_partition(run: ScoringRun, result: PartitionResult | None) -> PartitionResult | None:
    """Load a finished partition into SQL."""
    if result is not None:
        steps.load(run, result.number)
    return result


def score_partitions(run: ScoringRun, plan: Plan, precision: str) -> bool:
    """Score and load all partitions; whether none was left for another run."""
    score: Task[Any, Any] = task(**IO_RETRY, task_run_name="score part {number}")(score_partition)
    load: Task[Any, Any] = task(**DB_RETRY, task_run_name="load part")(load_partition)
    complete = True
    with (
        open_task_runner() as runner,
        RunProgress("score-sentiment-progress", "scoring", "reviews", plan.accepted) as progress,
    ):
        scored_before = {}
        for number in range(len(plan.parts)):
            scored = runner.submit(
                score, {"run": run, "plan": plan, "number": number, "precision": precision}
            )
            loaded = runner.submit(load, {"run": run, "result": scored})
            scored_before[loaded] = scored
        for future in as_completed(list(scored_before)):
            scored_before[future].result()  # if it failed, its load was not run and knows nothing
            result = future.result()
            if result is None:
                complete = False
            else:
                progress.advance(result.rows)
    return complete


publish = task(steps.publish, **DB_RETRY)
stop = task(steps.stop, **DB_RETRY)


@task(**DB_RETRY)
def write_report(run: ScoringRun, plan: Plan, choice: Choice, outcome: Outcome) -> None:
    """The report on disk, in the UI and on the terminal."""
    from tasks.sentiment.report import summary
    from tasks.sentiment.report.page import render_html

    report = build_report(run, plan, choice, outcome, _model(run).labels)
    write_text(run.folder.report(run.run_id), render_html(report))
    add_table("score-sentiment-figures", summary.render_table(report))
    add_markdown("score-sentiment", summary.render_markdown(report))
    print_result(summary.render_terminal(report))
    remember_scorer(run, _model(run))


def clear(run: ScoringRun, outcome: Outcome) -> None:
    """Delete the staging of a finished run."""
    if outcome.status == "finished":
        steps.clear(run)
