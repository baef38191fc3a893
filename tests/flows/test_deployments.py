"""prefect.yaml: read as data, and then for real, on a Prefect server and a worker."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pandas as pd
import psutil
import pytest
import sqlalchemy as sa
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import StateType
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.server.schemas.schedules import CronSchedule

from tasks.operations.nights.policy import policy_of
from tasks.operations.stack.ports import DEFAULTS
from tasks.operations.watch.delays import at_most_of
from tasks.orchestration import retired
from tasks.orchestration.prefect_access import password, running_server
from tasks.sentiment.run.window import Window

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
NIGHTLY = next(deployment for deployment in DEPLOYMENTS if deployment["name"] == "nightly")
START_S, RUN_S = 400, 300  # on a machine that does other things too


def names(deployments: list[dict[str, Any]]) -> list[str]:
    return [f"{each['entrypoint'].split('.')[1]}-{each['name']}" for each in deployments]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=names(DEPLOYMENTS))
def test_deployment_is_of_a_flow_that_takes_its_parameters(deployment, monkeypatch):
    """A typo in the file fails here, and not at half past one at night."""
    monkeypatch.chdir(ROOT)
    flow: Flow[..., Any] = load_flow_from_entrypoint(
        deployment["entrypoint"], use_placeholder_flow=False
    )
    parameters = deployment.get("parameters")
    if parameters is None:  # the form asks for what is required
        assert not deployment.get("schedules")
        return

    checked = flow.validate_parameters(parameters)["params"]

    assert checked.model_fields_set == set(parameters["params"])
    if "source" in parameters["params"]:
        assert (ROOT / checked.source).exists()


def test_deployments_have_names_of_their_own():
    """The UI shows them without their flows in places, and two of one name would look the same."""
    alone = [deployment["name"] for deployment in DEPLOYMENTS]
    assert len(set(alone)) == len(alone)
    assert {"score_sentiment-nightly", "score_sentiment-on-demand"} <= set(names(DEPLOYMENTS))


def test_deployments_of_other_names_are_taken_away(prefect_api):
    """Those of an earlier version, and no others."""
    kept = {f"{name.replace('_', '-')}" for name in names(DEPLOYMENTS)}
    assert kept.isdisjoint(name.replace("/", "-") for name in retired.RETIRED)
    with get_client(sync_client=True) as client:
        for name in (retired.RETIRED[0], "audit-fraud/my-own"):
            flow, _, deployment = name.partition("/")
            flow_id = client.create_flow_from_name(flow)
            client.create_deployment(flow_id, deployment)

        retired.main()
        retired.main()  # nothing is left to do

        (left,) = [each for each in client.read_deployments() if each.flow_id == flow_id]
        assert left.name == "my-own"
        client.delete_deployment(left.id)


def test_signatures_are_renewed_every_day():
    """Devices take nothing from a repository whose metadata has expired."""
    (daily,) = [each for each in DEPLOYMENTS if names([each]) == ["manage_releases-daily"]]
    assert daily["parameters"] == {"params": {"renew": True}}
    (schedule,) = daily["schedules"]
    assert schedule["cron"].split()[2:] == ["*", "*", "*"]


def test_nightly_begins_inside_its_window_on_every_night_of_the_year():
    """Once a night, with at least three hours to go, daylight-saving changes included."""
    (schedule,) = NIGHTLY["schedules"]
    params = NIGHTLY["parameters"]["params"]
    zone = ZoneInfo(schedule["timezone"])
    assert params["time_zone"] == schedule["timezone"]
    stop_at = datetime.strptime(params["stop_at"], "%H:%M").time()

    cron = CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    nights = asyncio.run(cron.get_dates(366, start=datetime(2026, 1, 1, tzinfo=UTC)))

    assert len({night.astimezone(zone).date() for night in nights}) == 366
    for night in nights:
        window = Window.until(stop_at, zone, night)
        assert window.ends_at is not None
        assert 3 * 3600 <= (window.ends_at - night).total_seconds() <= 5 * 3600


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=names(DEPLOYMENTS))
def test_nights_declare_what_becomes_of_missed_ones(deployment):
    """Whatever is scheduled once a day or more rarely; other tags are right as well."""
    policy, _ = policy_of(deployment["tags"]), at_most_of(deployment["tags"])
    crons = [schedule["cron"] for schedule in deployment.get("schedules", [])]
    is_nightly = any(cron.split()[0].isdigit() and cron.split()[1].isdigit() for cron in crons)
    assert is_nightly == (policy is not None)


def test_nightly_runs_one_at_a_time_and_drops_none():
    """A night that comes late waits for the one before."""
    assert NIGHTLY["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[str]:
    """The API of a stack in an empty home, once it says that it is up; ended as by Ctrl-C."""
    (tmp_path / "home").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "up", "--without", "fraud,device"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "TRIPTYCH_HOME": str(tmp_path / "var"),
            **dict.fromkeys(DEFAULTS, "0"),
        },
        stdout=(tmp_path / "up.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    told = tmp_path / "up.log"
    started: list[psutil.Process] = []
    try:
        await_answer(lambda: "Triptych is up" in told.read_text(), START_S, told)
        server = running_server(tmp_path / "var")
        assert server is not None
        yield server.url
    finally:
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=60) == 0
        finally:
            _, alive = psutil.wait_procs(started, timeout=5)
            for stray in alive:
                stray.kill()
        assert not alive
    assert told.read_text().endswith("nothing is left running\n")


def await_answer(ask: Callable[[], Any], seconds: float, log: Path) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := ask():
                return answer
        except httpx.HTTPError:  # not there yet
            pass
        time.sleep(0.3)
    pytest.fail(log.read_text()[-8_000:])


def test_stack_deploys_the_file_and_a_worker_does_the_runs(stack, tmp_path):
    """A real server, pool, deployment and process worker; the rows arrive in SQL and Parquet."""
    log = tmp_path / "up.log"
    reviews = tmp_path / "reviews.csv"
    pd.DataFrame(
        {
            "id": range(40),
            "text": ["Excellent, I love it.", "Terrible, it broke at once."] * 20,
        }
    ).to_csv(reviews, index=False)
    params = {"source": str(reviews), "text_column": "text", "id_column": "id"}
    params["precision"] = "float32"  # auto would first measure them all

    with SyncPrefectClient(stack, auth_string=password(tmp_path / "var")) as api:
        deployment = api.read_deployment_by_name("score-sentiment/on-demand")
        run = api.create_flow_run_from_deployment(deployment.id, parameters={"params": params})
        await_answer(lambda: api.read_flow_run(run.id).end_time, RUN_S, log)
        run = api.read_flow_run(run.id)
        nightly = api.read_deployment_by_name("score-sentiment/nightly")
        nights = api.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[nightly.id]))
        )

    assert run.state_type == StateType.COMPLETED, log.read_text()[-8_000:]
    assert run.name.endswith(" reviews")
    assert len(nights) >= 3  # the server's scheduler works: the coming nights are on its calendar
    home = tmp_path / "var"
    parquet = pd.read_parquet(home / "sentiment" / "scores")
    assert sorted(parquet["review_id"]) == sorted(str(number) for number in range(40))
    engine = sa.create_engine(f"sqlite:///{home / 'triptych.db'}")
    with engine.connect() as connection:
        query = "SELECT label, count(*) FROM review_sentiment GROUP BY label ORDER BY label"
        assert list(connection.execute(sa.text(query))) == [("NEGATIVE", 20), ("POSITIVE", 20)]
    engine.dispose()
