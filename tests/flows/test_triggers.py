"""What a finished flow starts, as prefect.yaml declares it, on a real Prefect server."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from prefect.cli.deploy._triggers import (
    _create_deployment_triggers,
    _initialize_deployment_triggers,
)
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

from tasks.orchestration.reporting import NEW_CHAMPION, NEW_DETECTOR, announce

FILE = Path(__file__).parents[2] / "deployments" / "prefect.yaml"
TRIGGERS = {
    each["entrypoint"].split(".")[1]: each["triggers"]
    for each in yaml.safe_load(FILE.read_text())["deployments"]
    if "triggers" in each
}
PATIENCE_S = 60


def deploy(api: SyncPrefectClient, deployment: UUID, triggers: list[dict[str, Any]]) -> int:
    """As `prefect deploy` does; how many automations the deployment has then."""

    async def create() -> int:
        async with get_client() as client:
            made = _initialize_deployment_triggers("d", [dict(each) for each in triggers])
            await _create_deployment_triggers(client, deployment, list(made))
            owner = f"prefect.deployment.{deployment}"
            return len(await client.read_resource_related_automations(owner))

    return asyncio.run(create())


@pytest.fixture
def deployments(prefect_api: str) -> Iterator[dict[str, UUID]]:
    """A deployment with the triggers of each flow, deployed twice; it has them once."""
    with get_client(sync_client=True) as api:
        made = {}
        for flow, triggers in TRIGGERS.items():
            flow_id = api.create_flow_from_name(f"{flow}-{uuid4().hex[:6]}")
            made[flow] = api.create_deployment(flow_id, name="triggered")
            assert [deploy(api, made[flow], triggers) for _ in range(2)] == [1, 1]
        yield made
        for deployment in made.values():
            api.delete_deployment(deployment)


def test_new_champion_is_audited_and_new_detector_published(deployments):
    """Each by one run, with what it takes."""
    name = f"blood-{uuid4().hex[:6]}"  # what others have announced arrives when it arrives
    publication = {"model": f"/detectors/{name}/model.keras", "channel": "canary"}
    expected: dict[str, Any] = {
        "audit_fraud": {"params": {}},
        "publish_detector": {"params": publication},
    }
    assert set(expected) == set(deployments)

    announce(NEW_CHAMPION, "fraud_detector:abc")
    announce(NEW_DETECTOR, name, publication=publication)

    deadline = time.monotonic() + PATIENCE_S
    missing = set(expected)
    with get_client(sync_client=True) as api:
        while missing and time.monotonic() < deadline:
            time.sleep(0.2)
            for flow in list(missing):
                of_it = DeploymentFilter(id=DeploymentFilterId(any_=[deployments[flow]]))
                runs = api.read_flow_runs(deployment_filter=of_it)
                if expected[flow] in [run.parameters for run in runs]:
                    missing.remove(flow)
    assert not missing
