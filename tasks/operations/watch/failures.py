"""Deployments whose runs have failed since the last one that was completed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort

from tasks.operations.notices.trouble import Trouble
from tasks.operations.watch.runs import PAGE

LOOKED_BACK = timedelta(days=8)  # a weekly run that failed is told of until the next one
PAGES = 5  # of failed runs that are looked at, the newest first
MAX_MESSAGE = 200
FAILED = [StateType.FAILED, StateType.CRASHED]


@dataclass(frozen=True)
class Failures:
    """What is known of deployments whose runs failed lately, each as flow/deployment.

    Attributes:
        troubles: one for each deployment whose newest run failed.
        mended: those whose newest run was completed.
    """

    troubles: tuple[Trouble, ...] = ()
    mended: frozenset[str] = frozenset()

    def are_told(self, trouble: Trouble) -> bool:
        """Whether they say all that a trouble of a failed night does."""
        kind, _, deployment = trouble.key.partition(":")
        told = {each.key.partition(":")[2] for each in self.troubles}
        return kind == "night-failed" and deployment in told | self.mended


def find_failures(
    api: SyncPrefectClient, deployments: Mapping[UUID, DeploymentResponse], now: datetime
) -> Failures:
    """What has failed.

    Raises: httpx.HTTPError: the API is away.
    """
    by_deployment: dict[UUID, list[FlowRun]] = {}
    for run in _failed(api, now - LOOKED_BACK):
        if run.deployment_id is not None and run.deployment_id in deployments:
            by_deployment.setdefault(run.deployment_id, []).append(run)
    troubles, mended = [], set()
    for key, runs in by_deployment.items():
        flow = api.read_flow(runs[0].flow_id).name
        name = f"{flow}/{deployments[key].name}"
        completed = _newest_end(api, key)
        since = [run for run in runs if completed is None or _end(run) > completed]
        if since:
            troubles.append(_trouble(name, flow, since))
        else:
            mended.add(name)
    return Failures(tuple(troubles), frozenset(mended))


def _failed(api: SyncPrefectClient, after: datetime) -> list[FlowRun]:
    """The newest first."""
    found: list[FlowRun] = []
    where = {
        "deployment_id": {"is_null_": False},
        "state": {"type": {"any_": FAILED}},
        "end_time": {"after_": after},
    }
    for page in range(PAGES):
        runs = api.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(where),
            sort=FlowRunSort.END_TIME_DESC,
            limit=PAGE,
            offset=page * PAGE,
        )
        found += runs
        if len(runs) < PAGE:
            break
    return found


def _newest_end(api: SyncPrefectClient, deployment: UUID) -> datetime | None:
    where = {
        "deployment_id": {"any_": [deployment]},
        "state": {"type": {"any_": [StateType.COMPLETED]}},
    }
    runs = api.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(where),
        sort=FlowRunSort.END_TIME_DESC,
        limit=1,
    )
    return _end(runs[0]) if runs else None


def _end(run: FlowRun) -> datetime:
    found = run.end_time or run.expected_start_time or run.created
    assert found is not None  # one that the API has, was created
    return found


def _trouble(deployment: str, flow: str, runs: list[FlowRun]) -> Trouble:
    """runs: the newest first."""
    first = runs[-1]
    since = f"{_end(first):%Y-%m-%d %H:%M} UTC"
    how = "crashed" if first.state_type == StateType.CRASHED else "failed"
    said = (first.state.message if first.state else None) or "no reason was given"
    reason = " ".join(said.split())[:MAX_MESSAGE]
    if len(runs) == 1:
        what = f"{deployment}: the run {first.name} {how} at {since}: {reason}"
    else:
        many = f"{len(runs)} runs of {flow}"
        what = f"{many} failed since {since} ({deployment}), first: {first.name}: {reason}"
    return Trouble(
        f"run-failed:{deployment}",
        what,
        "what it does has not been done since",
        f"see the run's log in the Prefect UI, then: prefect deployment run {deployment}",
    )
