"""Flows of the tests report to one Prefect server; a server takes longer than most flows."""

from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.flows.prefect_server import server_url, stop_server


@pytest.fixture(scope="session", autouse=True)
def _server_ends_with_the_tests() -> Iterator[None]:
    yield
    stop_server()


@pytest.fixture
def prefect_api() -> Iterator[str]:
    """The address of a real API that flows of this process report to."""
    url = server_url()
    with temporary_settings({PREFECT_API_URL: url}):
        yield url
