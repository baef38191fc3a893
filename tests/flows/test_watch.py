"""The watcher against a real Prefect server: what is dead is ended, and its place is free."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Pending, Running

from services.storage.process import Process
from tasks.operations.nights.heartbeat import Beat
from tasks.operations.watch.runs import ENGINE
from tasks.operations.watch.watcher import Watcher


@dataclass
class World:
    """A deployment with one place, and a watcher whose clock the test moves."""

    api: SyncPrefectClient
    deployment: UUID
    watcher: Watcher
    said: list[str]
    now: float = 0.0

    def begin(self, *states: Any, beat: Beat | None = None) -> UUID:
        run = self.api.create_flow_run_from_deployment(self.deployment).id
        for state in states:
            self.api.set_flow_run_state(run, state)
        if beat is not None:
            self.api.update_flow_run_labels(run, beat.labels())
        return run

    def pass_time(self, seconds: int) -> None:
        """With a look every few seconds."""
        for _ in range(0, seconds, 5):
            self.now += 5
            assert self.watcher.try_look()

    def state(self, run: UUID) -> str:
        state = self.api.read_flow_run(run).state
        assert state is not None
        return state.name or ""

    def places_taken(self) -> int:
        limit = self.api.read_deployment(self.deployment).global_concurrency_limit
        assert limit is not None
        return limit.active_slots


@pytest.fixture
def world(empty_prefect_api: str) -> Iterator[World]:
    with get_client(sync_client=True) as api:
        flow = api.create_flow_from_name("watched")
        deployment = api.create_deployment(
            flow,
            name="nightly",
            concurrency_limit=1,
            job_variables={"command": f"python -m {ENGINE}"},
        )
        said: list[str] = []
        made = World(api, deployment, Watcher(said.append, clock=lambda: made.now), said)
        yield made
        api.delete_deployment(deployment)


@pytest.fixture
def ended() -> Process:
    """A process of this machine that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    return replace(Process.here(), pid=child.pid, started="1")


def test_run_of_a_killed_process_is_crashed_and_its_place_free(world, ended):
    """What its worker would have said, were it alive."""
    run = world.begin(Pending(), Running(), beat=Beat(ended, 3))
    assert world.places_taken() == 1

    world.pass_time(20)

    assert world.state(run) == "Crashed"
    assert world.places_taken() == 0
    assert len(world.said) == 1 and "is gone without a word" in world.said[0]
    following = world.begin(Pending())
    assert world.state(following) == "Pending"


def test_run_that_was_taken_and_never_begun_is_crashed_and_its_place_free(world):
    """A worker was killed between the two."""
    run = world.begin(Pending())

    world.pass_time(60)
    assert world.state(run) == "Pending"
    world.pass_time(50)

    assert world.state(run) == "Crashed"
    assert world.places_taken() == 0


def test_run_that_lives_goes_on(world):
    """This very process is at work on it."""
    run = world.begin(Pending(), Running(), beat=Beat(Process.here(), 3))

    world.pass_time(120)

    assert world.state(run) == "Running"
    assert world.said == []


def test_place_that_no_run_holds_is_freed(world):
    """The server was killed after it had taken the place, and before it wrote down for whom."""
    world.api.increment_concurrency_slots(
        names=[world.api.read_deployment(world.deployment).global_concurrency_limit.name],
        slots=1,
        mode="concurrency",
    )
    assert world.places_taken() == 1

    world.pass_time(60)

    assert world.places_taken() == 0
    assert world.said == ["nightly: freed a slot that no run held"]


def test_server_that_is_away_is_told_once():
    """And waited for."""
    said: list[str] = []
    watcher = Watcher(said.append)
    address = "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_API_URL: address, PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert [watcher.try_look() for _ in range(3)] == [False] * 3
    assert len(said) == 1 and said[0].startswith("the Prefect server does not answer")
