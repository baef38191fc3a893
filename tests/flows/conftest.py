"""Flows of the tests report to one Prefect server, and many run in the tests' own process.

A server takes longer to start than most flows, and so do the frameworks that a process imports.
Each flow has a test as a command in a process of its own as well.
"""

import importlib
import logging
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from services.fraud.training import network
from services.fraud.training.network import Recipe
from tests.flows.prefect_server import server_password, server_url, stop_server

RunHere = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session", autouse=True)
def _server_ends_with_the_tests() -> Iterator[None]:
    yield
    stop_server()


@pytest.fixture
def prefect_api() -> Iterator[str]:
    """The address of a real API that flows of this process report to.

    Without a heartbeat: its thread looks once a second whether the run is over, and is waited for.
    """
    url = server_url()
    with temporary_settings(
        {
            PREFECT_API_URL: url,
            PREFECT_API_AUTH_STRING: server_password(),
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
    ):
        yield url


@pytest.fixture
def empty_prefect_api(prefect_api: str) -> str:
    """The same, and it knows no run and no deployment of other tests: a watcher sees them all."""
    with get_client(sync_client=True) as api:
        while runs := api.read_flow_runs():  # a page of them
            for run in runs:
                api.delete_flow_run(run.id)
        for deployment in api.read_deployments():
            api.delete_deployment(deployment.id)
    return prefect_api


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command sets for its whole process is as it was, after the test."""
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run_here(
    prefect_api: str,
    restored: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> RunHere:
    """Does what `python -m flows.NAME` does, in this process: status, output, error output."""

    def run(flow: str, home: Path, *arguments: str) -> tuple[int, str, str]:
        command = importlib.import_module(f"flows.{flow}").COMMAND
        monkeypatch.setenv("TRIPTYCH_HOME", str(home))
        capfd.readouterr()
        status: object = 0
        try:
            command.run(flow, arguments)
        except SystemExit as end:
            status = end.code or 0
        output, errors = capfd.readouterr()
        assert isinstance(status, int)
        return status, output, errors

    return run


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings in this process make a network of few weights, where its quality is no matter."""
    monkeypatch.setattr(network, "Recipe", partial(Recipe, widths=(4,), branches=1))
