"""The task module of `collect_telemetry`: plain functions of edge.fleet, run as tasks.

SQLAlchemy and the rest of the package are loaded by the functions that need them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prefect.runtime
from prefect import task

from edge.fleet.errors import FleetError
from services.storage.files import write_text
from tasks.orchestration.policies import DB_RETRY
from tasks.orchestration.progress import RunProgress
from tasks.orchestration.reporting import add_markdown, add_table, scheduled_time
from tasks.orchestration.terminal import print_result
from tasks.settings import Settings

if TYPE_CHECKING:
    from edge.fleet.health import Device, Judgement
    from edge.fleet.load import Loaded
    from edge.fleet.run import CollectionRun

    Devices = list[tuple[Device, Judgement]]

ERRORS = (FleetError,)


@dataclass(frozen=True)
class Outcome:
    """How a collection ended."""

    devices: int
    ok: int
    records: int
    rejected: int
    report: Path


def name_run() -> str:
    """The run's name in the UI: flow and minute."""
    return f"collect-telemetry {scheduled_time():%Y-%m-%d %H:%M}"


def open_run(params: Any) -> CollectionRun:
    """What is collected, and where things lie. params: the flow's CollectTelemetry."""
    from edge.fleet.database import Database
    from edge.fleet.health import Limits
    from edge.fleet.inbox import list_devices
    from edge.fleet.run import CollectionRun

    settings = Settings()
    inbox = (params.telemetry or settings.telemetry).absolute()
    # A wrong address or folder fails here, where nothing is retried.
    Database(settings.warehouse_url).close()
    list_devices(inbox)
    # A run that comes late tells how the fleet is, not how it was when the run was due.
    instant = params.as_of or datetime.now(UTC)
    return CollectionRun(
        inbox=inbox,
        home=settings.home,
        url=settings.warehouse_url,
        run_id=prefect.runtime.flow_run.id,
        as_of=instant.astimezone(UTC),
        looking_back=params.as_of is not None,
        limits=Limits(
            late=timedelta(minutes=params.late_minutes),
            silent=timedelta(hours=params.silent_hours),
            max_temperature_c=params.max_temperature_c,
            max_p99_ms=params.max_p99_ms,
            min_fps=params.min_fps,
        ),
        keep=timedelta(days=params.keep_days),
    )


@task(**DB_RETRY)
def load_records(run: CollectionRun) -> Loaded:
    """Load what has arrived into SQL."""
    from edge.fleet.load import count_files
    from edge.fleet.run import load_inbox

    files = count_files(run.inbox)
    with RunProgress("collect-telemetry-progress", "loading", "files", files) as progress:
        return load_inbox(run, datetime.now(UTC), progress.advance)


@task(**DB_RETRY)
def judge_devices(run: CollectionRun) -> Devices:
    """Say how each device is; write it down, unless looking back."""
    from edge.fleet.run import judge_devices

    return judge_devices(run)


@task(**DB_RETRY)
def write_report(run: CollectionRun, loaded: Loaded, devices: Devices) -> Outcome:
    """The report on disk, in the UI and on the terminal."""
    from edge.fleet import summary
    from edge.fleet.report import render_html
    from edge.fleet.run import compose

    report = compose(run, loaded, devices)
    write_text(run.report, render_html(report))
    add_table("collect-telemetry-devices", summary.render_table(report))
    add_markdown("collect-telemetry", summary.render_markdown(report))
    print_result(summary.render_terminal(report))
    counts = report.counts
    return Outcome(len(devices), counts["ok"], loaded.records, loaded.rejected, run.report)
