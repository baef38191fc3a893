"""Whoever asks a Prefect server with a wrong password says so, and ends."""

from collections.abc import Callable

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

from tasks.operations import await_server, worker
from tasks.operations.watch.watcher import Watcher
from tasks.orchestration.prefect_access import AccessError
from tasks.orchestration.prefect_api import ApiError
from tasks.orchestration.prefect_api import prefect_api as api_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("ask", ["worker", "deploy", "watch", "backfill"])
def test_whoever_asks_with_a_wrong_password_ends_with_one_line(prefect_api, tmp_path, capfd, ask):
    """Waiting does not mend it: no traceback, and no word of a server that is away."""

    def use() -> None:
        with api_of(tmp_path, print):
            raise AssertionError("it was used")

    asks: dict[str, Callable[[], object]] = {
        "worker": lambda: worker.main(["--pool", "none"]),
        "deploy": lambda: await_server.main(prefect_api),
        "watch": Watcher(print).try_look,
        "backfill": use,
    }
    with temporary_settings({PREFECT_API_AUTH_STRING: "admin:wrong"}):
        try:
            assert asks[ask]() == 1
            told = capfd.readouterr().err
        except (AccessError, ApiError) as refusal:
            told = str(refusal)
    assert "refuses the password: set PREFECT_API_AUTH_STRING to its own" in told
    assert told.strip().count("\n") == 0 and "wrong" not in told
