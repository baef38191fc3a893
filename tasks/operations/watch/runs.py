"""Deployments and runs as the Prefect API has them, page by page."""

from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse

ENGINE = "tasks.operations.nights.engine"  # in the command of deployments whose runs beat
PAGE = 200


def is_ours(deployment: DeploymentResponse | None) -> bool:
    """Whether the processes of its runs give signs of life."""
    return deployment is not None and ENGINE in str(deployment.job_variables.get("command", ""))


def read_deployments(api: SyncPrefectClient) -> list[DeploymentResponse]:
    """All deployments.

    Raises: httpx.HTTPError: the API is away.
    """
    found: list[DeploymentResponse] = []
    while True:
        page = api.read_deployments(limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


def read_runs(api: SyncPrefectClient, where: dict[str, Any]) -> list[FlowRun]:
    """All runs that a FlowRunFilter of these fields finds.

    Raises: httpx.HTTPError: the API is away.
    """
    found: list[FlowRun] = []
    filtered = FlowRunFilter.model_validate(where)
    while True:
        page = api.read_flow_runs(flow_run_filter=filtered, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found
