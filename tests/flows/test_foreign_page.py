"""A web page that the operator happens to visit sends requests to the Prefect server on 127.0.0.1.

The page's script may send what it likes and sees what the server lets it see. It has no password:
browsers keep what the UI stores apart by the name of the site, also where another site's name is
made to lead here (DNS rebinding), which the server itself does not notice.
"""

import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tasks.orchestration.running_server import RunningServer
from tests.flows.prefect_server import server_password, server_url

PATIENCE_S = 60
EVIL = "http://evil.example"
RUN = {"name": "evil", "flow_id": "00000000-0000-0000-0000-000000000000"}


@pytest.fixture(scope="module")
def page() -> Iterator[httpx.Client]:
    """Sends what a page's script may send, to the server of a bare command."""
    with httpx.Client(base_url=server_url(), headers={"Origin": EVIL}) as client:
        yield client


def rebound() -> dict[str, str]:
    """Of a page whose name was made to lead here: for the browser it is of the same site."""
    host = f"evil.example:{urlsplit(server_url()).port}"
    return {"Host": host, "Origin": f"http://{host}"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},  # of the kind that browsers send without asking first
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json"},
        {"Prefect-Csrf-Token": "guessed", "Prefect-Csrf-Client": "page"},
        {"Authorization": "Basic YWRtaW46Z3Vlc3NlZA=="},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize(
    "path", ["/flow_runs/", "/flows/", "/work_pools/", "/admin/database/clear"]
)
def test_foreign_page_changes_nothing(page, path, headers):
    """Refused before it is read, with a guessed token or password as well, and by any name."""
    for asked in (headers, {**rebound(), **headers}):
        assert page.post(path, content=json.dumps(RUN), headers=asked).status_code in (401, 403)


def test_foreign_page_reads_nothing_and_gets_no_token(page):
    """Neither the settings nor a token for changes, though it asks in the server's own name."""
    for path in ("/csrf-token?client=page", "/admin/settings", "/artifacts/x/latest"):
        for headers in ({}, rebound()):
            answer = page.get(path, headers=headers)
            assert answer.status_code == 401, path
            assert "access-control-allow-origin" not in answer.headers


def test_browser_is_told_that_a_foreign_page_may_not_ask(page):
    """The preflight of a request with a password, which would otherwise be sent."""
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, prefect-csrf-token",
    }
    for headers in ({}, {"Origin": "null"}):
        answer = page.options("/flow_runs/", headers={**asked, **headers})
        assert answer.status_code == 400
        assert "access-control-allow-origin" not in answer.headers
    own = server_url().removesuffix("/api")
    answer = page.options("/flow_runs/", headers={**asked, "Origin": own})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, own)


@pytest.mark.parametrize("path", ["/events/in", "/events/out", "/logs/out"])
@pytest.mark.parametrize("speaks", [(), ("prefect",)])
def test_foreign_page_gets_nothing_through_a_websocket(path, speaks):
    """Browsers connect these across sites without asking anybody."""
    url = server_url().replace("http://", "ws://") + path
    protocols = [Subprotocol(name) for name in speaks] or None
    with (
        pytest.raises((InvalidStatus, ConnectionClosed)),
        connect(url, origin=Origin(EVIL), subprotocols=protocols, open_timeout=30) as socket,
    ):
        socket.send(json.dumps({"type": "auth", "token": "guessed"}))
        socket.recv(timeout=30)


def test_password_alone_changes_nothing_and_with_a_token_it_does(prefect_api):
    """A browser that has been made to send the password still lacks the token."""
    auth = httpx.BasicAuth(*server_password().split(":", 1))
    given = {"name": "of-the-foreign-page-test"}
    assert httpx.post(f"{server_url()}/flows/", json=given, auth=auth).status_code == 403
    with RunningServer(server_url(), server_password()).requests(timeout_s=30) as api:
        assert api.post("/flows/", json=given).status_code in (200, 201)


@task
def one_step() -> None: ...


@flow
def with_a_step() -> str:
    one_step()
    return str(flow_run.get_id())


def test_task_runs_arrive_at_a_server_with_a_password(prefect_api):
    """Prefect before 3.8.3 sends the events that make them to servers without one alone."""
    run = with_a_step()
    of_this_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(run)]))
    deadline = time.monotonic() + PATIENCE_S
    with get_client(sync_client=True) as api:
        while not (found := api.read_task_runs(flow_run_filter=of_this_run)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert [each.name.split("-")[0] for each in found] == ["one_step"]


@pytest.mark.parametrize("password", [None, "admin:wrong"])
def test_wrong_password_is_told_in_one_line(run_here, tmp_path, password):
    """With what would be right; the command neither tries again for minutes nor shows it."""
    with temporary_settings({PREFECT_API_AUTH_STRING: password}):
        status, output, errors = run_here("collect_telemetry", tmp_path / "var")
    assert (status, output) == (1, "")
    assert errors.count("\n") == 1 and "PREFECT_API_AUTH_STRING" in errors
    assert "wrong" not in errors
