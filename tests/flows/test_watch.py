"""The watcher against a real Prefect server: what is dead is ended, and its place is free."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Pending, Running

from services.storage.process import Process
from tasks.operations.watch.runs import ENGINE, read_runs
from tasks.operations.watch.survey import Survey
from tasks.operations.watch.watcher import Watcher
from tasks.orchestration.alive.heartbeat import Beat
from tasks.settings import Settings


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


def test_run_of_a_command_that_was_killed_is_crashed(world, tmp_path):
    """It has no deployment: its process says that it works on it, as soon as it has begun."""
    program = tmp_path / "long.py"
    program.write_text(
        "import time\n"
        "from prefect import flow\n"
        "from tasks.orchestration.command_line import FlowCommand\n"
        "from tasks.orchestration.parameters import FlowParameters\n"
        "class Long(FlowParameters):\n"
        "    'It takes long.'\n"
        "@flow(name='of-a-command')\n"
        "def long(params: Long) -> None:\n"
        "    time.sleep(600)\n"
        "FlowCommand(Long, long, ()).run('long')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment |= {"TRIPTYCH_HOME": str(tmp_path), "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    if (password := PREFECT_API_AUTH_STRING.value()) is not None:
        environment["PREFECT_API_AUTH_STRING"] = str(password)
    with subprocess.Popen([sys.executable, program], env=environment) as child:
        try:
            run = wait_for(lambda: next(iter(with_beat(world.api, "of-a-command")), None))
            world.pass_time(120)
            assert world.state(run) == "Running"
        finally:
            child.kill()
    world.pass_time(20)

    assert world.state(run) == "Crashed"
    assert "is gone without a word" in world.said[-1]


def with_beat(api: SyncPrefectClient, flow: str) -> list[UUID]:
    found = read_runs(api, {"state": {"type": {"any_": ["RUNNING"]}}})
    return [r.id for r in found if Beat.of(r.labels) and api.read_flow(r.flow_id).name == flow]


def wait_for(find: Callable[[], UUID | None]) -> UUID:
    for _ in range(1200):
        if (found := find()) is not None:
            return found
        time.sleep(0.1)
    raise AssertionError("it has not come within two minutes")


def test_look_that_cannot_be_finished_ends_no_watch(world, ended):
    """It is said once, told as a trouble, and the next look goes on."""
    told: list[str] = []
    survey = Survey(Settings(), print, lambda troubles: told.extend(t.key for t in troubles))
    world.watcher.survey = survey
    looks = iter([KeyError("Mars/Phobos"), KeyError("Mars/Phobos"), None])

    def look(*_: Any) -> None:
        if (error := next(looks)) is not None:
            raise error

    survey.look = look  # type: ignore[method-assign,assignment]
    assert [world.watcher.try_look() for _ in range(3)] == [False, False, True]
    assert told == ["watcher", "watcher"]
    assert world.said == ["a look was not finished: KeyError: 'Mars/Phobos'"]


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
