"""A command finds the server of its home, waits for it, and starts no second one beside it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.storage.process import this_machine
from tasks.orchestration import prefect_api
from tasks.orchestration.prefect_access import GIVEN
from tasks.orchestration.running_server import NoAnswer, RunningServer, note_server

NOWHERE = "http://127.0.0.1:1/api"
SERVER = RunningServer(NOWHERE, "admin:secret")
pytestmark = pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (GIVEN, "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(prefect_api, "ASK_EVERY_S", 0.0)

    def refuse(*_: object) -> None:
        raise AssertionError("a second server was started")

    monkeypatch.setattr(prefect_api, "own_server", refuse)
    yield


def test_command_ends_with_a_line_where_the_server_of_its_home_gives_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It has waited, and said for how long; a second server would use the same database."""
    monkeypatch.setattr(prefect_api, "ANSWER_S", 0.1)
    note_server(tmp_path, NOWHERE, os.getpid())
    said: list[str] = []
    with (
        pytest.raises(prefect_api.ApiError, match=f"process {os.getpid()} lives.*kill") as refusal,
        prefect_api.prefect_api(tmp_path, said.append),
    ):
        raise AssertionError("it was used")
    assert "\n" not in str(refusal.value)
    (line,) = said
    assert NOWHERE in line and "for 0.1 s at most" in line


def test_command_uses_the_server_of_its_home_once_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As where `make up` was typed just before."""
    answers: list[RunningServer | Exception] = [NoAnswer(SERVER, 1, "it starts")] * 3
    answers.append(SERVER)

    def ask(*_: object) -> RunningServer:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(prefect_api, "running_server", ask)
    said: list[str] = []
    with prefect_api.prefect_api(tmp_path, said.append) as url:
        assert url == NOWHERE
    assert answers == [] and len(said) == 1
