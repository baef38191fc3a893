"""What `triptych status` learns from a Prefect server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import State
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Cancelled, Completed, Failed, Running, Scheduled

from tasks.operations.status import schedule
from tasks.operations.status.schedule import read_schedule
from tests.flows.prefect_server import server_password

pytestmark = pytest.mark.slow


@flow(name="status-of-a-test")
def nothing() -> None:
    """Is never run."""


def test_server_tells_what_runs_what_comes_and_what_failed(
    empty_prefect_api, tmp_path, monkeypatch
):
    """Each deployment by its name; nothing of flows that somebody ran by hand."""
    monkeypatch.setattr(schedule, "PATIENCE_S", 120.0)
    monkeypatch.setenv("PREFECT_API_URL", empty_prefect_api)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", server_password())
    now = datetime.now(UTC)
    in_time: State[None] = Scheduled(scheduled_time=now + timedelta(hours=2))
    late: State[None] = Scheduled(scheduled_time=now - timedelta(hours=1))
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(nothing)
        for name, states in {
            "night": [Failed(message="the disk is full"), in_time],
            "day": [Running(), late],
        }.items():
            made = client.create_deployment(flow_id=flow_id, name=name)
            for state in states:
                run = client.create_flow_run_from_deployment(made, state=state)
                if not state.is_scheduled():
                    client.set_flow_run_state(run.id, state, force=True)
        client.set_flow_run_state(client.create_flow_run(nothing).id, Failed(), force=True)

    told = read_schedule(tmp_path, now)

    def mine(runs):
        return [(run.deployment, run.state) for run in runs if "status-of-a-test" in run.deployment]

    assert (told.address, told.fault) == (empty_prefect_api, "")
    assert mine(told.running) == [("status-of-a-test/day", "Running")]
    assert mine(told.failed) == [("status-of-a-test/night", "Failed")]
    assert "the disk is full" in {run.message for run in told.failed}
    assert sorted(run.deployment for run in told.due if "status" in run.deployment) == [
        "status-of-a-test/day",
        "status-of-a-test/night",
    ]
    assert told.late >= 1


def test_failure_of_a_schedule_is_told_until_it_is_mended(empty_prefect_api, tmp_path, monkeypatch):
    """Whatever else has run since, and however long ago; a night that was skipped mends nothing."""
    monkeypatch.setattr(schedule, "PATIENCE_S", 120.0)
    monkeypatch.setattr(schedule, "PAGE", 1)
    monkeypatch.setenv("PREFECT_API_URL", empty_prefect_api)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", server_password())
    weekly = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 * * 0"), active=True)
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(nothing)

        def end(deployment: UUID, state: State[None]) -> None:
            run = client.create_flow_run_from_deployment(deployment)
            client.set_flow_run_state(run.id, state, force=True)

        week = client.create_deployment(flow_id, name="week", schedules=[weekly], paused=True)
        by_hand = client.create_deployment(flow_id, name="by-hand")
        often = client.create_deployment(flow_id, name="often")
        end(week, Failed(message="the disk is full"))
        end(week, Cancelled(name="Skipped"))
        end(by_hand, Failed())
        for _ in range(3):
            end(often, Completed())

        def failed(now: datetime) -> list[str]:
            told = read_schedule(tmp_path, now)
            assert told.fault == ""
            return sorted(run.deployment for run in told.failed)

        now = datetime.now(UTC)
        week_name = "status-of-a-test/week"
        assert failed(now) == ["status-of-a-test/by-hand", week_name]
        assert failed(now + timedelta(days=30)) == [week_name]
        end(week, Completed())
        assert failed(now + timedelta(days=30)) == []


def test_server_that_refuses_the_password_is_told_with_the_cure(prefect_api, tmp_path, monkeypatch):
    """In words, not in a status of HTTP."""
    monkeypatch.setattr(schedule, "PATIENCE_S", 120.0)
    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:wrong")
    told = read_schedule(tmp_path, datetime.now(UTC))
    assert (told.address, told.fault) == (prefect_api, "it refuses the password")
    assert told.cure == "set PREFECT_API_AUTH_STRING to its own, user:password"


def test_server_that_is_away_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that was named; without a name nothing is scheduled, and nothing is wrong."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert read_schedule(tmp_path, datetime.now(UTC)).fault
    monkeypatch.delenv("PREFECT_API_URL")
    assert read_schedule(tmp_path, datetime.now(UTC)).address is None
