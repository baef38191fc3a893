"""The task module of `train_fraud`: plain functions of services.fraud, run as tasks.

TensorFlow and BentoML are loaded by the steps that need them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import prefect.runtime
from prefect import task

from services.fraud.errors import FraudError, ModelError, ModelsUnavailable, PromotionRefused
from services.fraud.scoring.evaluation import Metrics
from services.fraud.scoring.models import Models
from services.fraud.training.free_table import TableSpec
from services.fraud.training.gate import Gate
from services.fraud.training.training_folder import Periods, SimulationSpec, TrainingFolder
from services.fraud.transactions.foreign import Reading
from tasks.operations.lineage.made import remember_fraud
from tasks.operations.shared_history import share_history
from tasks.orchestration.policies import IO_RETRY, PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.orchestration.reporting import (
    NEW_CHAMPION,
    add_markdown,
    add_table,
    announce,
    run_parameters,
    scheduled_time,
)
from tasks.orchestration.terminal import print_notice, print_result
from tasks.orchestration.transaction_files import reading_of
from tasks.settings import Settings

ERRORS = (FraudError,)


@dataclass(frozen=True)
class Job:
    """All that the steps need to know."""

    home: Path
    folder: TrainingFolder
    source: Path | SimulationSpec | TableSpec
    reading: Reading
    periods: Periods
    alerts_per_day: float
    seed: int
    gate: Gate
    wanted: str  # role: champion, shadow or candidate
    override_block: bool
    new_contract: bool
    models: Models

    @property
    def hands_over(self) -> bool:
        """Whether the service gets the history: a mere candidate changes nothing."""
        return self.wanted != "candidate"


@dataclass(frozen=True)
class Verdict:
    """The candidate beside the champion."""

    faults: tuple[str, ...]
    champion: str | None
    champion_metrics: Metrics | None
    notes: tuple[str, ...]


def name_run() -> str:
    """The run's name in the UI: flow and source."""
    given = run_parameters()
    source = given.get("transactions") or given.get("table")
    return f"train-fraud {Path(source).name if source else 'simulated'}"


@contextmanager
def open_run(params: Any) -> Iterator[Job]:
    """A folder for this run, deleted after it. params: the flow's TrainFraud."""
    settings = Settings()
    home = settings.home
    folder = TrainingFolder(home / "fraud" / "training" / str(prefect.runtime.flow_run.id))
    day = params.run_date or scheduled_time().date()
    try:
        yield Job(
            home=home,
            folder=folder,
            source=_source(params, day),
            reading=reading_of(params, day),
            periods=Periods(
                params.train_days, params.delay_days, params.test_days, params.test_start
            ),
            alerts_per_day=params.alerts_per_day,
            seed=params.seed,
            gate=Gate(
                max_ap_loss=params.max_ap_loss,
                min_baseline_gain=params.min_floor_gain,
                min_auc_roc=params.min_auc_roc,
                min_average_precision=params.min_average_precision,
                min_card_precision=params.min_card_precision,
            ),
            wanted="shadow" if params.shadow else "champion" if params.promote else "candidate",
            override_block=params.override_block,
            new_contract=params.new_contract,
            models=Models(home, settings.fraud_state_url),
        )
    finally:
        folder.clear()


def _source(params: Any, day: date) -> Path | SimulationSpec | TableSpec:
    """What is learnt from."""
    if params.table:
        return TableSpec(
            params.table,
            params.label,
            time=params.time,
            categories=params.categories,
            leave_out=params.leave_out,
            blank=params.blank,
            delimiter=params.delimiter,
            decimal=params.decimal_mark,
            test_share=params.test_share,
        )
    return params.transactions or SimulationSpec(
        params.customers, params.terminals, params.days, day, params.seed
    )


@task(**IO_RETRY)
def read(job: Job) -> int:
    """Read or simulate the transactions."""
    if job.models.is_shared:
        job.models.registry().read()  # a database that does not answer is told before the wait
    if job.hands_over and not isinstance(job.source, TableSpec):
        job.folder.check_source(job.home, job.source)  # before the wait
    rows = job.folder.read(job.source, datetime.now(UTC), job.reading)
    source = job.source.file if isinstance(job.source, TableSpec) else job.source
    what = source.name if isinstance(source, Path) else "simulated"
    print_notice(f"{rows:,} transactions, {what}")
    for subject, how in job.folder.assumed().items():
        print_notice(f"{subject}: {how}")
    return rows


@task(**PLAIN)
def compute_features(job: Job) -> None:
    """Compute the features."""
    job.folder.compute_features()


@task(**PLAIN)
def train(job: Job) -> None:
    """Train, convert, prove and evaluate a candidate."""
    data = job.folder.data(job.periods)  # a fault in the data is told before the wait
    rows = int(data.train.sum())
    print_notice(f"training on {rows:,} transactions")
    from services.fraud.training.candidate import make_candidate
    from services.fraud.training.network import Recipe

    recipe = Recipe(seed=job.seed)
    with RunProgress("train-fraud-progress", "training", "epochs", recipe.epochs(rows)) as progress:
        make_candidate(
            data,
            recipe,
            job.folder.candidate,
            alerts_per_day=job.alerts_per_day,
            show=lambda _epochs: progress.advance(1),
        )
        progress.advance(max(0, recipe.epochs(rows) - progress.done))  # few rows may take fewer


@task(**PLAIN)
def compare(job: Job) -> Verdict:
    """Score the test transactions with the champion, and ask the gate."""
    from services.fraud.scoring.card import Card
    from services.fraud.scoring.model_input import describe
    from services.fraud.training.candidate import TFLITE_FILE, begins_as_regression, doubts
    from services.fraud.training.conversion import tflite_probabilities

    data = job.folder.data(job.periods)
    card = Card.read(job.folder.candidate)
    champion = job.models.registry().read().champion
    metrics, notes, other = None, [], []
    if champion is not None:
        try:
            folder = job.models.folder(champion)
            if (names := Card.read(folder).names) == card.names:
                tested = data.rows[data.test]
                metrics = data.evaluate(tflite_probabilities(folder / TFLITE_FILE, tested))
            elif not job.new_contract:
                other.append(
                    f"it reads {describe(card.names)}, and the champion {describe(names)}, so that"
                    " they cannot be compared (--new-contract)"
                )
        except ModelsUnavailable:  # it may be better than its replacement
            raise
        except ModelError as error:  # it must not keep its own replacement out
            notes.append(f"the champion was not compared: {error}")
    answers = tflite_probabilities(job.folder.candidate / TFLITE_FILE, data.rows[data.test])
    notes += doubts(data, card, answers)
    assert card.metrics is not None and card.baseline_metrics is not None
    from_baseline = begins_as_regression(card)
    faults = job.gate.faults(
        card.metrics, card.baseline_metrics, metrics, from_baseline=from_baseline
    )
    faults += other
    block = job.models.registry().blocked()
    if block is not None and not job.override_block:
        faults.append(f"promotion is blocked: {block} (--override-block promotes all the same)")
    return Verdict(tuple(faults), champion, metrics, tuple(notes))


@task(**PLAIN)
def register(job: Job) -> str:
    """Put the candidate into the store, whatever the gate says."""
    folder = job.folder.candidate
    return remember_fraud(job.home, job.models.save(folder), folder, job.source)


@task(**IO_RETRY)
def write_snapshot(job: Job) -> Path | None:
    """Hand the last weeks to the services, as the history that their state starts from.

    None: a table of any columns has no customers and terminals, and a candidate needs none.
    """
    if isinstance(job.source, TableSpec) or not job.hands_over:
        return None
    written = job.folder.write_snapshot(job.home, job.source)
    share_history(job.home, Settings().fraud_state_url)
    return written


@task(**PLAIN)
def promote(job: Job, tag: str, verdict: Verdict) -> str:
    """Give the model its role; a candidate that does not pass stays one."""
    from services.fraud.scoring.model_check import checked_registry

    registry = checked_registry(job.models)
    if job.wanted == "shadow":
        registry.shadow(tag)
    elif job.wanted == "champion":
        if verdict.faults:
            return "candidate"
        registry.promote(
            tag,
            "passed the gate",
            override_block=job.override_block,
            new_contract=job.new_contract,
        )
        announce(NEW_CHAMPION, tag)
    return job.wanted


@task(**PLAIN)
def write_report(job: Job, tag: str, role: str, verdict: Verdict) -> None:
    """The figures, in the UI and on the terminal."""
    from services.fraud.scoring.card import Card
    from services.fraud.state import snapshot
    from services.fraud.training import metrics

    card = Card.read(job.folder.candidate)
    pointer = snapshot.read_pointer(job.home)
    result = metrics.Result(
        tag=tag,
        role=role,
        card=card,
        champion=verdict.champion,
        champion_metrics=verdict.champion_metrics,
        faults=verdict.faults if job.wanted == "champion" else (),
        notes=verdict.notes,
        where={
            "model": str(job.models.folder(tag)),
            "snapshot": str(pointer.file) if pointer else "none",
            "registry": job.models.registry().place,
        },
    )
    add_table("train-fraud-figures", metrics.render_table(result))
    add_markdown("train-fraud", metrics.render_markdown(result))
    print_result(metrics.render_terminal(result))


def settle(job: Job, tag: str, role: str, verdict: Verdict) -> str:
    """The tag, if the model got the role that was wanted.

    Raises: PromotionRefused: the gate or a block kept it out; it is in the store all the same.
    """
    if role != job.wanted:
        raise PromotionRefused(
            f"{tag} is not promoted: {'; '.join(verdict.faults)}. It is kept in the store:"
            f" python -m flows.manage_models --promote {tag} promotes it all the same"
        )
    return tag
