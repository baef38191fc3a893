"""The task module of `audit_fraud`: plain functions of services.fraud, run as tasks.

Pandas, Matplotlib and BentoML are loaded by the functions that need them, and by nothing that
`--help` runs through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prefect.runtime
from prefect import task

from services.fraud.errors import FraudError
from services.storage.files import write_text
from tasks.orchestration.policies import DB_RETRY, PLAIN
from tasks.orchestration.progress import RunProgress
from tasks.orchestration.reporting import add_markdown, add_table, run_parameters, scheduled_time
from tasks.orchestration.terminal import print_notice, print_result
from tasks.orchestration.transaction_files import reading_of
from tasks.settings import Settings

if TYPE_CHECKING:
    from services.fraud.audit.labels import LoadedLabels
    from services.fraud.audit.measures import Audit
    from services.fraud.audit.nightly_snapshot import WrittenSnapshot
    from services.fraud.audit.run import AuditRun
    from services.fraud.audit.verdict import Verdict

ERRORS = (FraudError,)


@dataclass(frozen=True)
class Outcome:
    """How an audit ended."""

    quality: str  # held, fallen, or unknown
    block: str  # blocked, lifted, kept, or none
    report: Path


def name_run() -> str:
    """The run's name in the UI: flow and run date."""
    return f"audit-fraud {run_parameters().get('run_date') or scheduled_time().date()}"


def open_run(params: Any) -> AuditRun:
    """What is audited, and where things lie. params: the flow's AuditFraud."""
    from services.fraud.audit.measures import Period
    from services.fraud.audit.run import AuditRun
    from services.fraud.audit.verdict import Limits

    settings = Settings()
    day = params.run_date or scheduled_time().astimezone(UTC).date()
    return AuditRun(
        home=settings.home,
        url=settings.warehouse_url,
        run_id=prefect.runtime.flow_run.id,
        period=Period(day, params.days, params.delay_days),
        limits=Limits(
            params.max_ap_drop, params.max_auc_drop, params.max_alert_ratio, params.min_frauds
        ),
        labels=params.labels,
        transactions=params.transactions,
        reading=reading_of(params, day),
        longest_pause_s=settings.fraud_max_state_age_h * 3_600,
        state_url=settings.fraud_state_url,
    )


@task(**DB_RETRY)
def load_labels(run: AuditRun) -> LoadedLabels | None:
    """Load late labels, if a file was given."""
    from services.fraud.audit.run import load

    return load(run, datetime.now(UTC))


@task(**DB_RETRY)
def write_snapshot(run: AuditRun) -> WrittenSnapshot | None:
    """Write what the state of the services starts from."""
    from services.fraud.audit.run import snapshot
    from tasks.operations.shared_history import share_history

    written = snapshot(run, datetime.now(UTC))
    for subject, how in (written.assumed if written else {}).items():
        print_notice(f"{subject}: {how}")
    if written and written.steps_back:
        print_notice(f"history: {written.steps_back}")
    share_history(run.home, run.state_url)
    return written


@task(**DB_RETRY)
def measure(run: AuditRun) -> Audit:
    """Measure each day, and write the figures into SQL."""
    from services.fraud.audit import run as audit_run

    days = len(run.period.all_days)
    with RunProgress("audit-fraud-progress", "auditing", "days", days) as progress:
        return audit_run.measure(run, lambda: progress.advance(1))


@task(**PLAIN)
def judge(run: AuditRun, audit: Audit) -> Verdict:
    """Compare the champion with its card; block promotion, or allow it again."""
    from services.fraud.audit.run import decide

    return decide(run, audit)


@task(**PLAIN)
def write_report(
    run: AuditRun,
    audit: Audit,
    verdict: Verdict,
    labels: LoadedLabels | None,
    snapshot: WrittenSnapshot | None,
) -> Outcome:
    """The report on disk, in the UI and on the terminal."""
    from services.fraud.audit import summary
    from services.fraud.audit.report import compose, render_html

    report = compose(run, audit, verdict, labels, snapshot, ended_at=datetime.now(UTC))
    write_text(run.report, render_html(report))
    add_table("audit-fraud-figures", summary.render_table(report))
    add_markdown("audit-fraud", summary.render_markdown(report))
    print_result(summary.render_terminal(report))
    return Outcome(verdict.quality, verdict.block, run.report)
