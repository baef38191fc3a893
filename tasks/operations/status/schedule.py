"""What the Prefect server says: runs at work, what comes next, and what failed last."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tasks.operations.status.state import Run, Schedule
from tasks.orchestration.faults import is_refusal
from tasks.orchestration.prefect_access import AccessError
from tasks.orchestration.running_server import NoAnswer, RunningServer, running_server

PATIENCE_S = 10.0  # for an answer: a busy machine takes seconds
POOL = "triptych"
PAGE = 200
DONE = ("COMPLETED", "FAILED", "CRASHED")  # a night that was skipped mends no failure
FAILED = ("FAILED", "CRASHED")
LATE_AFTER = timedelta(minutes=5)
LOOKED_BACK = timedelta(days=3)  # at what is run by hand
ONLINE_FOR = timedelta(seconds=90)  # a worker reports every 30 s


def read_schedule(home: Path, now: datetime) -> Schedule:
    """The server that PREFECT_API_URL names, else the one that runs for this home, if one does."""
    given = os.environ.get("PREFECT_API_URL")
    try:
        server = running_server(home, given, PATIENCE_S)
    except NoAnswer as silence:
        return Schedule(silence.server.url, fault=silence.fault, cure=silence.cure)
    except (AccessError, OSError) as error:
        return Schedule(given, fault=str(error))
    if server is None and given:
        server = RunningServer(given.rstrip("/"), os.environ.get("PREFECT_API_AUTH_STRING"))
    if server is None:
        return Schedule(None)
    try:
        with server.requests(PATIENCE_S) as client:
            return _ask(client, server.url, now)
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        if is_refusal(error):
            cure = "set PREFECT_API_AUTH_STRING to its own, user:password"
            return Schedule(server.url, fault="it refuses the password", cure=cure)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Schedule(server.url, fault=reason)


def _ask(client: httpx.Client, url: str, now: datetime) -> Schedule:
    deployments = _all(client, "/deployments/filter")
    flows = {flow["id"]: flow["name"] for flow in _all(client, "/flows/filter")}
    names = {one["id"]: f"{flows.get(one['flow_id'], '?')}/{one['name']}" for one in deployments}
    names |= flows
    at_work = _runs(client, ("RUNNING", "PENDING", "CANCELLING", "PAUSED"), "START_TIME_DESC", 50)
    due = _runs(client, ("SCHEDULED",), "EXPECTED_START_TIME_ASC", 200)
    late = [run for run in due if (_at(run["expected_start_time"]) or now) < now - LATE_AFTER]
    failed = [run for one in deployments for run in _failure(client, one, now)]
    return Schedule(
        address=url,
        running=tuple(_run(run, names, "start_time") for run in at_work),
        due=tuple(_run(run, names, "expected_start_time") for run in _first_of_each(due)),
        failed=tuple(_run(run, names, "end_time") for run in failed),
        late=len(late),
        workers=_workers(client, now),
    )


def _failure(client: httpx.Client, deployment: Mapping[str, Any], now: datetime) -> list[Any]:
    """The last run of a deployment that was done, if it failed; else nothing.

    Of a deployment without a schedule it is forgotten after a while: nobody may need it again.
    """
    newest = _runs(
        client, DONE, "END_TIME_DESC", 1, deployments={"id": {"any_": [deployment["id"]]}}
    )
    is_scheduled = any(schedule["active"] for schedule in deployment["schedules"])
    return [
        run
        for run in newest
        if run["state_type"] in FAILED
        and (is_scheduled or (_at(run["end_time"]) or now) > now - LOOKED_BACK)
    ]


def _runs(
    client: httpx.Client, states: tuple[str, ...], sort: str, limit: int, **where: Any
) -> list[Any]:
    """where: what else is asked, of other things than the runs."""
    wanted = {"flow_runs": {"state": {"type": {"any_": list(states)}}}, **where}
    return _post(client, "/flow_runs/filter", {**wanted, "sort": sort, "limit": limit})


def _all(client: httpx.Client, path: str) -> list[Any]:
    """All things of a kind, page by page."""
    found: list[Any] = []
    while True:
        page = _post(client, path, {"limit": PAGE, "offset": len(found)})
        found += page
        if len(page) < PAGE:
            return found


def _first_of_each(runs: list[Any]) -> list[Any]:
    """The first of each deployment; whoever runs a flow by hand sees how it ends."""
    found: dict[str, Any] = {}
    for run in runs:
        if run["deployment_id"]:
            found.setdefault(run["deployment_id"], run)
    return list(found.values())


def _run(run: Mapping[str, Any], names: Mapping[str, str], when: str) -> Run:
    return Run(
        name=run["name"],
        deployment=names.get(run["deployment_id"] or run["flow_id"], "?"),
        state=run["state_name"],
        at=_at(run[when]),
        message=str((run.get("state") or {}).get("message") or "").partition("\n")[0],
    )


def _workers(client: httpx.Client, now: datetime) -> int | None:
    """Workers of our pool that have reported lately; None: there is no such pool."""
    answer = client.post(f"/work_pools/{POOL}/workers/filter", json={})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    workers = answer.raise_for_status().json()
    seen = (_at(worker.get("last_heartbeat_time")) for worker in workers)
    return sum(1 for at in seen if at is not None and at > now - ONLINE_FOR)


def _post(client: httpx.Client, path: str, asked: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = client.post(path, json=dict(asked)).raise_for_status().json()
    return found


def _at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
