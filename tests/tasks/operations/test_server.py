"""What deployments/server starts: noted as its own process, and never a second one."""

import os
from pathlib import Path
from typing import Any

import pytest

from services.storage.process import this_machine
from tasks.operations import server
from tasks.orchestration.prefect_access import GIVEN, AccessError
from tasks.orchestration.running_server import RunningServer, note_server, noted_process

pytestmark = pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The environment of each server that this process became."""
    environments: list[dict[str, str]] = []

    def become(_file: str, _arguments: list[str], environment: Any) -> None:
        environments.append(environment)

    monkeypatch.setattr(os, "execvpe", become)
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path))
    monkeypatch.setenv("TRIPTYCH_PORT", "4711")
    monkeypatch.setenv(GIVEN, "admin:of-the-house")
    return environments


def test_server_is_noted_with_its_process_and_the_secret_that_prometheus_presents(
    tmp_path, started
):
    server.serve(None)
    (environment,) = started
    assert environment["PREFECT_SERVER_API_PORT"] == "4711"
    assert environment["PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED"] == "true"
    assert noted_process(tmp_path) == os.getpid()
    assert (
        (tmp_path / "prefect" / "server.url").read_text().startswith("http://127.0.0.1:4711/api\n")
    )
    secret = tmp_path / "prefect" / "scrape-password"
    assert secret.read_text() == "of-the-house"
    assert secret.stat().st_mode & 0o777 == 0o600


def test_second_server_of_a_home_is_refused_in_one_line(tmp_path, started):
    """Whether the first one answers or not: two on one database harm it."""
    note_server(tmp_path, "http://127.0.0.1:1/api", os.getpid())
    with pytest.raises(
        AccessError, match=f"runs already, as process {os.getpid()}: end that"
    ) as no:
        server.serve(None)
    assert started == [] and "\n" not in str(no.value)
    assert "127.0.0.1:1" in (tmp_path / "prefect" / "server.url").read_text()


def test_server_of_an_earlier_version_that_answers_is_no_less_there(tmp_path, started, monkeypatch):
    """It noted no process, so it is asked."""
    other = RunningServer("http://127.0.0.1:1/api", None)
    monkeypatch.setattr(server, "running_server", lambda home: other)
    with pytest.raises(AccessError, match=r"runs already, at http://127\.0\.0\.1:1/api: end"):
        server.serve(None)
    assert started == []
