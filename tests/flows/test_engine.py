"""The process of a deployed run, as a worker starts it, on a real Prefect server."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
from prefect.states import Pending, Scheduled

from tasks.operations.nights.ledger import Ledger
from tasks.operations.nights.schedule import night_at
from tasks.orchestration.alive.heartbeat import Beat
from tests.threads import threads

ROOT = Path(__file__).parents[2]
ENTRYPOINT = "flows.collect_telemetry.collect_telemetry"


def test_scheduled_night_is_run_with_a_sign_of_life_and_leaves_its_row(prefect_api, tmp_path):
    """From the worker's taking it to the row that says it is done."""
    with get_client(sync_client=True) as api:
        flow = api.create_flow_from_name("collect-telemetry")
        deployment = api.create_deployment(
            flow,
            name=f"night-{uuid4().hex[:6]}",
            entrypoint=ENTRYPOINT,
            tags=["missed=skip"],
            parameters={"params": {}},
            pull_steps=[
                {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
            ],
        )
        due = datetime.now(UTC)
        state: Any = Scheduled(scheduled_time=due)
        key = f"scheduled {deployment} {uuid4()} {due}"
        run = api.create_flow_run_from_deployment(deployment, state=state, idempotency_key=key)
        api.set_flow_run_state(run.id, Pending(), force=True)

        process = subprocess.run(
            [sys.executable, "-m", "tasks.operations.nights.engine"],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "TRIPTYCH_HOME": str(tmp_path),
                **get_current_settings().to_environment_variables(exclude_unset=True),
                "PREFECT__FLOW_RUN_ID": str(run.id),
                **threads(),
            },
            capture_output=True,
            text=True,
            timeout=300,
        )

        done = api.read_flow_run(run.id)
        name = f"collect-telemetry/{api.read_deployment(deployment).name}"
        night = night_at(name, None, due, {})
        api.delete_deployment(deployment)
    assert process.returncode == 0, process.stderr
    assert done.state_name == "Completed", process.stderr
    assert Beat.of(done.labels) is not None
    known = Ledger(f"sqlite:///{tmp_path / 'triptych.db'}").find(night)
    assert known is not None
    assert (known.status, known.run_id) == ("done", str(run.id))
