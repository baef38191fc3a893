"""prefect.yaml, read as data."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.server.schemas.schedules import CronSchedule
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate

from tasks.operations import retired
from tasks.operations.nights.policy import policy_of
from tasks.operations.watch.delays import at_most_of
from tasks.sentiment.run.window import Window

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]
NIGHTLY = next(deployment for deployment in DEPLOYMENTS if deployment["name"] == "nightly")


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
    schema = parameter_schema(flow).model_dump()
    validate(parameters, schema, raise_on_error=True)  # as the server does, which knows no alias

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
