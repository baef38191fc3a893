"""Commands of a rehearsal: what they say is read, and none outlives its block."""

import os
import time

import psutil
import pytest

from tasks.operations.rehearsal import process
from tasks.operations.rehearsal.errors import Broken

LONG = ("http.server", "0", "--bind", "127.0.0.1")  # goes on until it is ended


def test_exit_status_and_last_error_are_told():
    status, command = process.done(("timeit", "--nonsense"), {})
    assert status == 2
    assert "option --nonsense not recognized" in command.said()


def test_process_is_gone_after_its_block_however_it_ends():
    """As after Ctrl-C."""
    with pytest.raises(KeyboardInterrupt), process.started(LONG, {}) as running:
        assert running.status is None
        raise KeyboardInterrupt
    assert running.status is not None
    assert not psutil.pid_exists(running.pid)


def test_wait_for_what_never_comes_ends(monkeypatch):
    """With what was waited for; and at once if the process has ended."""
    with process.started(LONG, {}) as running:
        began = time.monotonic()
        with pytest.raises(Broken, match="0 s passed before it flew"):
            running.until(lambda: False, "it flew", patience_s=0.1)
        with pytest.raises(Broken, match="did not end within 0 s"):
            running.wait(patience_s=0.1)
        assert time.monotonic() - began < 60
    wrong = ("timeit", "--nonsense")
    with process.started(wrong, {}) as ended, pytest.raises(Broken, match="ended before it flew: "):
        ended.until(lambda: False, "it flew")


def test_command_gets_what_it_is_given_on_top_of_the_environment(monkeypatch):
    monkeypatch.setenv("OF_ALL", "1")
    _, command = process.done(("sysconfig",), {"PYTHONVERBOSE": ""})
    assert "Platform" in command.said() and os.environ["OF_ALL"] == "1"
