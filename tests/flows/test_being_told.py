"""A storm of failed runs on a real Prefect server: the watcher sees it, and one message tells."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.__main__ import PROGRAM
from tasks.operations.notices.addresses import read_addresses
from tasks.operations.notices.notices import Notices
from tasks.operations.notices.teller import Teller
from tasks.operations.watch.survey import Survey
from tasks.operations.watch.watcher import Watcher
from tasks.settings import Settings
from tests.tasks.operations.notices.receiver import Receiver, receiving


@dataclass
class World:
    """A deployment, and a watcher that tells; the test moves the clock."""

    api: SyncPrefectClient
    flow: UUID
    name: str
    deployment: UUID
    home: Path
    receiver: Receiver
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As after a restart."""
        notices = Notices(
            self.home, read_addresses(self.receiver.url), print, clock=lambda: self.now
        )
        self.teller = Teller(notices, print, in_lines=lambda _: None)
        survey = Survey(Settings(home=self.home), print, self.teller)
        self.watcher = Watcher(print, survey, clock=self.now.timestamp)
        self.watcher.clock = lambda: self.now.timestamp()

    def end_run(self, state: str) -> None:
        run = {
            "flow_id": str(self.flow),
            "deployment_id": str(self.deployment),
            "state": {"type": state, "message": "boom"},
        }
        self.api.request("POST", "/flow_runs/", json=run).raise_for_status()

    def look(self, *minutes: int) -> None:
        """After so many minutes each."""
        for each in minutes:
            self.now += timedelta(minutes=each)
            self.watcher.try_look()
            self.teller.tell()


@pytest.fixture
def world(empty_prefect_api: str, tmp_path: Path) -> Iterator[World]:
    name = f"stormy-{uuid4().hex[:6]}"
    with get_client(sync_client=True) as api, receiving() as receiver:
        flow = api.create_flow_from_name(name)
        deployment = api.create_deployment(flow, name="nightly")
        yield World(api, flow, name, deployment, tmp_path, receiver)
        api.delete_deployment(deployment)


def test_storm_of_hundred_failed_runs_is_one_message_and_one_when_it_is_well_again(world):
    """Also over a restart, and over a time in which the server is away."""
    for _ in range(100):
        world.end_run("FAILED")
    world.look(1, 1)

    (message,) = world.receiver.messages
    text = message["message"]
    assert f"100 runs of {world.name} failed since " in text and "first: " in text
    assert "boom" in text and f"prefect deployment run {world.name}/nightly" in text

    world.end_run("CRASHED")
    world.start()
    world.look(1, 1)
    away = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(away):
        world.look(1, 1, 1)
    world.look(1, 1)
    assert [each["title"][:9] for each in world.receiver.messages[1:]] == ["Triptych:"]
    assert "does not answer" in world.receiver.titles[1]

    world.end_run("COMPLETED")
    world.look(1, 10, 10, 10)
    assert len(world.receiver.messages) == 3
    assert world.receiver.titles[2] == "Triptych: well again: 2 troubles"
    assert f"no longer so: 101 runs of {world.name} failed" in world.receiver.messages[2]["message"]


def test_command_tries_each_address_and_names_the_one_that_fails(monkeypatch, capsys, tmp_path):
    """Without its secrets."""

    def notify(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            PROGRAM.run("triptych", ("notify", *arguments))
        return int(end.value.code or 0), *capsys.readouterr()

    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path))
    status, output, _ = notify()
    assert status == 0 and "set TRIPTYCH_NOTIFY_URLS" in output
    status, _, errors = notify("--test")
    assert status == 1 and "TRIPTYCH_NOTIFY_URLS is not set" in errors

    with receiving() as receiver:
        monkeypatch.setenv("TRIPTYCH_NOTIFY_URLS", receiver.url)
        assert notify() == (0, "address 1 (json://localhost) is told what is wrong\n", "")
        assert notify("--test")[0] == 0
        monkeypatch.setenv("TRIPTYCH_NOTIFY_URLS", f"json://localhost:1/S3CRET,{receiver.url}")
        status, output, errors = notify("--test")

    assert receiver.titles == ["Triptych: a test"] * 2
    assert (status, output) == (1, "address 2 (json://localhost) has taken the message\n")
    assert errors.startswith("error: address 1 (json://localhost) did not take the message")
    assert "S3CRET" not in output + errors
