"""The roster of `score_sentiment`: plain functions of the sentiment room, hired as tasks.

Torch is loaded by the functions that need it, in the process that needs it, and by nothing
that `--help` runs through.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import prefect.runtime
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.futures import as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import Task
from rich.console import Console

from tasks.orchestration import faults
from tasks.orchestration.policies import DB_RETRY, IO_RETRY, PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.sentiment.errors import SentimentError
from tasks.sentiment.reading.origin import Origin, place_of_files, place_of_query
from tasks.sentiment.reading.query_rows import is_query
from tasks.sentiment.reading.source import Source, open_source
from tasks.sentiment.report.build import gather
from tasks.sentiment.run import steps as room
from tasks.sentiment.run.partitions import PartResult, Plan, sample_texts
from tasks.sentiment.run.run_folder import Night, Request, write_text
from tasks.sentiment.run.steps import Attempt
from tasks.sentiment.run.steps import Outcome as Outcome  # the flow's result
from tasks.sentiment.run.window import Window, describe_window
from tasks.sentiment.scoring.model import ModelFolder, find_model, find_same_model
from tasks.sentiment.scoring.precision_choice import Choice, describe_choice
from tasks.sentiment.scoring.scorer import usable_cores
from tasks.settings import Settings

ERRORS = (SentimentError,)
THREADS = 2  # one part is scored while another is read, written or loaded
SAMPLE = 256  # texts on which precisions are measured


def name_run() -> str:
    """The run's name in the UI: flow, run date and source."""
    params = prefect.runtime.flow_run.parameters["params"]
    given = dict(params)
    day = given.get("run_date") or _scheduled().astimezone(ZoneInfo(given["time_zone"])).date()
    name = given.get("source_name")
    if not name:
        try:
            name = open_source(given["source"], query_url=Settings().query_url).name
        except SentimentError:  # the run itself will say what is wrong
            name = given["source"][:40]
    return f"score-sentiment {day} {name}"


def _scheduled() -> datetime:
    scheduled: datetime | None = prefect.runtime.flow_run.scheduled_start_time
    return scheduled or datetime.now(UTC)


@contextmanager
def attempt(
    *,
    source: str,
    text_column: str,
    id_column: str | None,
    source_name: str | None,
    carry: tuple[str, ...],
    report_by: str | None,
    encoding: str,
    run_date: date | None,
    model: str,
    model_revision: str | None,
    precision: str,
    rows_per_part: int,
    max_rejected_share: float,
    min_rows: int,
    stop_at: time | None,
    time_zone: str,
    rescore: bool,
    keep_null_words: bool,
    reject_unknown_text: bool,
) -> Iterator[Attempt]:
    """Hold the night for this process; a run that does not end well is marked as failed."""
    settings, zone, scheduled = Settings(), ZoneInfo(time_zone), _scheduled()
    opened = open_source(source, encoding=encoding, query_url=settings.query_url)
    folder = find_model(model, model_revision, cache=settings.home / "cache")
    night = Attempt(
        night=Night(
            home=settings.home,
            source=source_name or opened.name,
            run_date=run_date or scheduled.astimezone(zone).date(),
        ),
        request=Request(
            source=source,
            text_column=text_column,
            id_column=id_column,
            carry=carry,
            group_column=report_by,
            encoding=encoding,
            rows_per_part=rows_per_part,
            model=model,
            model_revision=model_revision,
            model_digest=folder.digest,
            precision=precision,
            keep_null_words=keep_null_words,
            reject_unknown_text=reject_unknown_text,
        ),
        run_id=prefect.runtime.flow_run.id,
        started_at=datetime.now(UTC),
        rescore=rescore,
        max_rejected_share=max_rejected_share,
        window=Window.ending(stop_at, zone, scheduled),
        warehouse_url=settings.warehouse_url,
        min_rows=min_rows,
        origin=Origin(place=_place(source, settings), is_named=source_name is not None),
    )
    with night.night.lock():
        try:
            _tell_window(night.window, zone)
            yield night
        except BaseException as error:
            try:
                room.fail(night, _message(error, settings.home))
            except SentimentError as second:  # the first error is the one to tell
                error.add_note(f"the run could not be marked as failed: {second}")
            raise


def _tell_window(window: Window, zone: ZoneInfo) -> None:
    """Say when the run will end by itself: for one started by hand that may be tomorrow."""
    if text := describe_window(window, datetime.now(UTC), zone):
        get_run_logger().info(text)
        Console(stderr=True, highlight=False, markup=False).print(text, soft_wrap=True)


def _message(error: BaseException, home: Path) -> str:
    if isinstance(error, SentimentError):
        return faults.advise(str(error), home)
    return faults.describe(error, home) or str(error) or "interrupted"


def _place(source: str, settings: Settings) -> str:
    if is_query(source):
        return place_of_query(source.strip(), settings.query_url, settings.warehouse_url)
    return place_of_files(source)


def _source(night: Attempt) -> Source:
    return open_source(
        night.request.source, encoding=night.request.encoding, query_url=Settings().query_url
    )


def settle(night: Attempt) -> Outcome | None:
    """The outcome of the night if it is finished already; otherwise the run begins.

    A night whose report is missing is run again: all is taken over, and the report written.
    """
    finished = room.settle(night, _source(night))
    if finished is not None and night.night.report(finished.run_id).exists():
        return finished
    room.begin(night)
    return None


def say_finished(night: Attempt, outcome: Outcome) -> Outcome:
    """Tell whoever looks that there was nothing to do."""
    text = (
        f"Nothing to do: {night.night.source} of {night.night.run_date} was finished by run"
        f" {outcome.run_id}. 0 scored, {outcome.reused:,} already there,"
        f" {outcome.rejected:,} rejected. `--rescore` scores it again."
    )
    create_markdown_artifact(text, key="score-sentiment")
    Console().print(text, soft_wrap=True, highlight=False)
    return outcome


@task(**IO_RETRY, task_run_name="cut {night.night.source}")
def cut_source(night: Attempt) -> Plan:
    """Read and check the source, and cut it into parts."""
    from tasks.sentiment.scoring.known_words import KnownWords

    return room.cut(night, _source(night), KnownWords(_model(night).tokenizer).in_text)


@task(**PLAIN)
def check_model(night: Attempt, plan: Plan) -> Choice:
    """Choose the precision on a sample of the input, or compare the one that was asked for with
    float32; and check the known answers."""
    from tasks.sentiment.scoring.precision import choose_precision, open_scorer

    model, threads = _model(night), _threads_per_scorer() or usable_cores()
    choice = choose_precision(
        model,
        lambda: sample_texts(night.night, plan, SAMPLE),
        _cache(night),
        threads,
        night.request.precision,
    )
    open_scorer(model, choice.precision, threads=threads, cache=_cache(night))
    return choice


def _model(night: Attempt) -> ModelFolder:
    asked = night.request
    return find_same_model(
        asked.model, asked.model_revision, asked.model_digest, cache=_cache(night)
    )


def _cache(night: Attempt) -> Any:
    return night.night.home / "cache"


def score_part(night: Attempt, plan: Plan, number: int, precision: str) -> PartResult | None:
    """Score one part, if the window still has room for it."""
    from tasks.sentiment.scoring.precision import open_scorer

    return room.score(
        night,
        plan,
        number,
        lambda: open_scorer(
            _model(night),
            precision,
            threads=_threads_per_scorer(),
            cache=_cache(night),
        ),
    )


def load_part(night: Attempt, result: PartResult | None) -> PartResult | None:
    """Load a finished part into SQL."""
    if result is not None:
        room.load(night, result.number)
    return result


def score_parts(night: Attempt, plan: Plan, precision: str) -> bool:
    """Score and load all parts; whether none was left for another night."""
    score: Task[Any, Any] = task(**IO_RETRY, task_run_name="score part {number}")(score_part)
    load: Task[Any, Any] = task(**DB_RETRY, task_run_name="load part")(load_part)
    complete = True
    with (
        _task_runner() as runner,
        RunProgress("score-sentiment-progress", "scoring", "reviews", plan.accepted) as progress,
    ):
        scored_before = {}
        for number in range(len(plan.parts)):
            scored = runner.submit(
                score, {"night": night, "plan": plan, "number": number, "precision": precision}
            )
            loaded = runner.submit(load, {"night": night, "result": scored})
            scored_before[loaded] = scored
        for future in as_completed(list(scored_before)):
            scored_before[future].result()  # if it failed, its load was not run and knows nothing
            result = future.result()
            if result is None:
                complete = False
            else:
                progress.advance(result.rows)
    return complete


def _workers() -> int:
    """Worker processes of a local Dask cluster."""
    return max(2, usable_cores() // 2)


def _task_runner() -> TaskRunner[Any]:
    wanted = Settings().task_runner
    if wanted == "threads":
        return ThreadPoolTaskRunner(max_workers=THREADS)
    from prefect_dask.task_runners import DaskTaskRunner

    if wanted != "dask":
        return DaskTaskRunner(address=wanted)
    return DaskTaskRunner(
        cluster_kwargs={
            "n_workers": _workers(),
            "threads_per_worker": 1,
            "dashboard_address": None,
        }
    )


def _threads_per_scorer() -> int | None:
    """None: all cores. Workers of a local Dask cluster share them."""
    if Settings().task_runner == "dask":
        return max(1, usable_cores() // _workers())
    return None


publish = task(room.publish, **DB_RETRY)
stop = task(room.stop, **DB_RETRY)


@task(**PLAIN)
def write_report(night: Attempt, plan: Plan, choice: Choice, outcome: Outcome) -> None:
    """The report on disk, in the UI and on the terminal."""
    from tasks.sentiment.report import summary
    from tasks.sentiment.report.page import render_html

    report = gather(night, plan, choice.precision, outcome, describe_choice(choice))
    write_text(night.night.report(night.run_id), render_html(report))
    create_table_artifact(summary.render_table(report), key="score-sentiment-figures")
    create_markdown_artifact(summary.render_markdown(report), key="score-sentiment")
    Console().print(summary.render_terminal(report), soft_wrap=True)


def clear(night: Attempt, outcome: Outcome) -> None:
    """Delete the staging of a finished night."""
    if outcome.status == "finished":
        room.clear(night)
