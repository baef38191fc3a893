"""The server of a home is found by its process, and its password sent to nobody else."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.storage.process import Process, this_machine
from tasks.orchestration import prefect_access as access
from tasks.orchestration import running_server as running

on_linux = pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")


@pytest.fixture(autouse=True)
def _no_password_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(access.GIVEN, raising=False)


class Listener(http.server.BaseHTTPRequestHandler):
    """Whoever answers at the noted address; keeps what it was sent."""

    status = 200
    home = ""
    heard: list[str | None]

    def do_GET(self) -> None:
        self.heard.append(self.headers.get("Authorization"))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b'{"home": "%s"}' % self.home.encode())

    def log_message(self, *_: object) -> None:
        """In silence."""


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[str, type[Listener]]]:
    class OfThisTest(Listener):
        heard: list[str | None] = []  # noqa: RUF012  # of this class alone
        home = str(tmp_path / "prefect")

    server = http.server.HTTPServer(("127.0.0.1", 0), OfThisTest)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", OfThisTest
    server.shutdown()
    thread.join()
    server.server_close()


def note_number(home: Path, url: str, pid: int) -> None:
    """What earlier versions noted."""
    (home / "prefect").mkdir(exist_ok=True)
    (home / "prefect" / "server.url").write_text(f"{url}\n{pid}\n")


def test_running_server_of_this_home_is_found_with_its_password(tmp_path, listener):
    url, heard = listener
    running.note_server(tmp_path, url, os.getpid())
    assert running.running_server(tmp_path) == running.RunningServer(url, access.password(tmp_path))
    assert heard.heard[0] is not None


def test_password_is_not_sent_where_the_noted_server_has_ended(tmp_path, listener):
    """Another user of this machine may listen there by now."""
    url, heard = listener
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    running.note_server(tmp_path, url, ended.pid)
    assert running.running_server(tmp_path) is None
    note_number(tmp_path, url, ended.pid)
    assert running.running_server(tmp_path) is None
    assert heard.heard == []


@on_linux
def test_process_that_has_the_number_of_the_noted_server_by_now_is_not_the_server(
    tmp_path, listener
):
    """Numbers are given anew: it gets no password, and nobody waits for it."""
    url, heard = listener
    running.note_server(tmp_path, url, os.getpid())
    note = tmp_path / "prefect" / "server.url"
    of_another = replace(Process.here(), started="1")
    note.write_text(f"{url}\n{of_another}\n")
    assert running.running_server(tmp_path) is None
    assert running.noted_process(tmp_path) is None
    assert heard.heard == []


@on_linux
def test_server_of_another_start_of_the_machine_has_ended(tmp_path, listener):
    url, heard = listener
    of_before = replace(Process.here(), machine="before/pid:[1]")
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "server.url").write_text(f"{url}\n{of_before}\n")
    assert running.running_server(tmp_path) is None
    assert heard.heard == []


@on_linux
@pytest.mark.parametrize(
    ("status", "home", "reason"),
    [(500, "", "status 500"), (200, "/elsewhere", "another server"), (404, "", "status 404")],
)
def test_server_whose_process_lives_is_no_absent_one_whatever_is_answered(
    tmp_path, listener, status, home, reason
):
    """Who takes it for absent starts a second one on the same database."""
    url, answering = listener
    answering.status, answering.home = status, home
    running.note_server(tmp_path, url, os.getpid())
    with pytest.raises(running.NoAnswer, match=f"process {os.getpid()} lives, .*{reason}") as told:
        running.running_server(tmp_path)
    assert told.value.server.url == url
    assert f"kill {os.getpid()}" in told.value.cure and "\n" not in str(told.value)


@on_linux
def test_server_that_takes_requests_and_answers_none_is_no_absent_one(tmp_path):
    """As on a machine that is too busy."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/api"
        running.note_server(tmp_path, url, os.getpid())
        with pytest.raises(running.NoAnswer, match=r"no answer within 0\.05 s"):
            running.running_server(tmp_path, patience_s=0.05)
        assert running.noted_process(tmp_path) == os.getpid()
        note_number(tmp_path, url, os.getpid())  # of an earlier version: it may be anybody's
        assert running.running_server(tmp_path, patience_s=0.05) is None


@on_linux
def test_server_that_does_not_listen_yet_is_no_absent_one(tmp_path):
    """It is just starting."""
    running.note_server(tmp_path, "http://127.0.0.1:1/api", os.getpid())
    with pytest.raises(running.NoAnswer, match="takes no requests"):
        running.running_server(tmp_path)


def test_server_of_an_earlier_version_is_found_and_sent_no_password(tmp_path, listener):
    url, heard = listener
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "server.url").write_text(f"{url}\n")
    assert running.running_server(tmp_path) == running.RunningServer(url, None)
    assert heard.heard == [None]
    heard.status = 401  # another home's server has the port by now
    assert running.running_server(tmp_path) is None


def test_server_of_another_home_is_left_alone(tmp_path, listener):
    url, answering = listener
    answering.home = str(tmp_path / "elsewhere" / "prefect")
    note_number(tmp_path, url, os.getpid())
    assert running.running_server(tmp_path) is None
    running.note_server(tmp_path, url, os.getpid())
    assert running.running_server(tmp_path, "http://prefect.example/api") is None
    assert len(answering.heard) == 1


def test_refused_password_is_told_in_one_line_that_does_not_hold_it(tmp_path, listener):
    url, answering = listener
    answering.status = 401
    running.note_server(tmp_path, url, os.getpid())
    with pytest.raises(access.AccessError, match="refuses the password") as refusal:
        running.running_server(tmp_path)
    assert access.password(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize("note", ["", "\n", "nonsense", "http://127.0.0.1:1/api x", "http://[/api"])
def test_damaged_note_of_a_server_counts_as_none(tmp_path, note):
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "server.url").write_text(note)
    assert running.running_server(tmp_path) is None
