"""What `triptych env` prints is what a shell then has."""

import os
import subprocess
from dataclasses import dataclass

import pytest

from services.storage.process import this_machine
from tasks.operations import environment
from tasks.orchestration.prefect_access import AccessError, password
from tasks.orchestration.running_server import note_server


@dataclass(frozen=True)
class Asked:
    server: bool = False


def test_shell_has_the_address_and_the_password(tmp_path, monkeypatch, capsys):
    """Whatever the home's name holds."""
    home = tmp_path / 'it\'s a $HOME `of` "mine"'
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    monkeypatch.setenv("TRIPTYCH_PORT", "4711")
    environment.show(Asked())
    printed = capsys.readouterr().out
    script = (
        f'{printed}\nprintf "%s\\n" "$PREFECT_HOME" "$PREFECT_API_URL" "$PREFECT_API_AUTH_STRING"'
    )
    heard = subprocess.run(
        ["sh", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    ).stdout.splitlines()
    assert heard == [str(home / "prefect"), "http://127.0.0.1:4711/api", password(home)]


def test_server_gets_what_keeps_foreign_pages_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRIPTYCH_HOME", str(tmp_path))
    environment.show(Asked(server=True))
    printed = capsys.readouterr().out
    assert "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED=true" in printed
    assert f"PREFECT_SERVER_API_AUTH_STRING={password(tmp_path)}" in printed
    assert "PREFECT_API_URL" not in printed


def test_server_that_has_ended_is_not_named(tmp_path, monkeypatch):
    """Its note stays after a machine went down."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    note_server(tmp_path, "http://127.0.0.1:1/api", ended.pid)
    assert environment.environment(tmp_path, server=False)["PREFECT_API_URL"].endswith(":4200/api")


@pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")
def test_server_that_is_just_starting_is_named(tmp_path):
    """Whoever asks it waits for it."""
    note_server(tmp_path, "http://127.0.0.1:1/api", os.getpid())
    named = environment.environment(tmp_path, server=False)["PREFECT_API_URL"]
    assert named == "http://127.0.0.1:1/api"


@pytest.mark.parametrize("given", ["a door", "99999", "0", "-1"])
def test_port_that_is_none_is_told(tmp_path, monkeypatch, given):
    monkeypatch.setenv("TRIPTYCH_PORT", given)
    with pytest.raises(AccessError, match=f"TRIPTYCH_PORT: {given} is no port"):
        environment.environment(tmp_path, server=True)
