"""The nights of a deployment as its schedules have them, and the night that a run is for."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from prefect.client.schemas.objects import DeploymentSchedule, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.server.schemas.schedules import CronSchedule as ServerCronSchedule

from tasks.operations.nights.policy import Night
from tasks.sentiment.run.window import Window

SCHEDULED = "scheduled"  # how Prefect's scheduler begins the idempotency key of a run
LOOK_BACK = timedelta(days=62)


def is_scheduled(run: FlowRun) -> bool:
    """Whether the schedule has asked for the run, and nobody has asked for it again."""
    key = run.idempotency_key or ""
    return key.startswith(f"{SCHEDULED} {run.deployment_id} ") and not run.run_count


def key_of(deployment: DeploymentResponse, schedule: DeploymentSchedule, due: datetime) -> str:
    """The idempotency key that Prefect's scheduler gives to a night's run."""
    return f"{SCHEDULED} {deployment.id} {schedule.id} {due}"


def night_of(run: FlowRun, deployment: DeploymentResponse, flow_name: str) -> Night:
    """The night that a scheduled run is for."""
    words = (run.idempotency_key or "").split()
    mine = [each for each in deployment.schedules if str(each.id) in words]
    schedule = next(iter(mine or deployment.schedules), None)
    due = run.expected_start_time or datetime.now(UTC)
    return night_at(f"{flow_name}/{deployment.name}", schedule, due, run.parameters)


def night_at(
    name: str, schedule: DeploymentSchedule | None, due: datetime, parameters: Mapping[str, Any]
) -> Night:
    """A night of a deployment that is due then; of parameters that the flow will refuse, one
    without a window."""
    ends_at: datetime | None = None
    with suppress(ValueError):
        ends_at = window_end(parameters, due)
    return Night(name, due, zone_of(schedule), ends_at)


def zone_of(schedule: DeploymentSchedule | None) -> ZoneInfo:
    """The zone of a schedule's clocks."""
    name = getattr(schedule.schedule, "timezone", None) if schedule is not None else None
    return ZoneInfo(name or "UTC")


def due_between(schedule: DeploymentSchedule, after: datetime, until: datetime) -> list[datetime]:
    """When nights are due, by their order; none where the schedule is off, or no cron."""
    cron = schedule.schedule
    if not schedule.active or not isinstance(cron, CronSchedule):
        return []
    same = ServerCronSchedule(cron=cron.cron, timezone=cron.timezone, day_or=cron.day_or)
    start = max(after + timedelta(seconds=1), until - LOOK_BACK)
    dates = asyncio.run(same.get_dates(start=start, end=until))
    return [datetime.fromtimestamp(date.timestamp(), UTC) for date in dates]


def describe_schedules(deployment: DeploymentResponse) -> str:
    """When its nights are due, in a line that is another one once that changes."""
    if deployment.paused:
        return "paused"
    active = [each.schedule for each in deployment.schedules if each.active]
    crons = [each for each in active if isinstance(each, CronSchedule)]
    return "; ".join(sorted(f"{each.cron} {each.timezone} {each.day_or}" for each in crons))


def window_end(parameters: Mapping[str, Any], due: datetime) -> datetime | None:
    """The end of the window of a flow that has the parameters stop_at and time_zone.

    Raises: ValueError: they are no time, or no time zone.
    """
    given = parameters.get("params", {})
    stop_at = given.get("stop_at") if isinstance(given, Mapping) else None
    if not stop_at:
        return None
    until = time.fromisoformat(str(stop_at))
    name = str(given.get("time_zone") or "UTC")
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}: write one as Europe/Berlin") from error
    return Window.until(until, zone, due).ends_at
