"""The nights for which Prefect never made a run: its server was away for longer than it plans.

They are found by the schedule, from the newest night on that anything is known of, and run or
written down as skipped, as the deployment declares.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.states import Scheduled

from tasks.operations.nights.ledger import Ledger
from tasks.operations.nights.policy import Policy, nights_without_run, policy_of
from tasks.operations.nights.schedule import (
    describe_schedules,
    due_between,
    key_of,
    night_at,
)
from tasks.operations.watch.runs import read_runs

GRACE = timedelta(minutes=3)  # in which Prefect's own scheduler may still make the run
NEVER_PLANNED = "Missed: there was no run for it, as the Prefect server was away."


def settle_missing(
    api: SyncPrefectClient,
    ledger: Ledger,
    deployment: DeploymentResponse,
    now: datetime,
    say: Callable[[str], None],
) -> None:
    """Give each night of the deployment that nobody has planned a run, or a row with the reason.

    Nothing is missed before the first night that there is a row of, nor before its schedule was
    what it is: another time, or a pause, makes no night of the past one that was missed. When
    Prefect has written down a change of the schedule does not tell: deploying it again, as each
    start of the stack does, is one.

    Raises: httpx.HTTPError: the API is away. StorageError: the database refused. ValueError: the
        deployment declares a policy that there is not.
    """
    policy = policy_of(deployment.tags)
    if policy is None:
        return
    name = f"{api.read_flow(deployment.flow_id).name}/{deployment.name}"
    since = ledger.scheduled_since(name, describe_schedules(deployment), now)
    newest = ledger.newest(name)
    if newest is None or deployment.paused:
        return
    for schedule in deployment.schedules:
        due = due_between(schedule, max(newest, since or newest), now - GRACE)
        if due:
            _settle(api, ledger, deployment, schedule, name, due, policy, say)


def _settle(
    api: SyncPrefectClient,
    ledger: Ledger,
    deployment: DeploymentResponse,
    schedule: DeploymentSchedule,
    name: str,
    due: list[datetime],
    policy: Policy,
    say: Callable[[str], None],
) -> None:
    planned = _planned(api, deployment, due[0], due[-1])
    to_run, to_skip = nights_without_run(due, lambda each: each in planned, policy)
    for each in to_skip:
        night = night_at(name, schedule, each, deployment.parameters)
        ledger.record(night, "skipped", reason=NEVER_PLANNED)
        say(f"{name}: the night of {night.key} is skipped. {NEVER_PLANNED}")
    for each in to_run:
        api.create_flow_run_from_deployment(
            deployment.id,
            state=Scheduled(scheduled_time=each),
            idempotency_key=key_of(deployment, schedule, each),
        )
        night = night_at(name, schedule, each, deployment.parameters)
        say(f"{name}: the night of {night.key} was missed, and is run now")


def _planned(
    api: SyncPrefectClient, deployment: DeploymentResponse, first: datetime, last: datetime
) -> set[datetime]:
    """When runs of the deployment were due, of those in between."""
    where = {
        "deployment_id": {"any_": [deployment.id]},
        "expected_start_time": {"after_": first, "before_": last},
    }
    return {run.expected_start_time for run in read_runs(api, where) if run.expected_start_time}
