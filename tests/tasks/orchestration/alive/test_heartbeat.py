"""A run's process ends with its worker, and waits for a server that is just starting."""

import subprocess
import sys
import textwrap
from uuid import uuid4

import psutil
import pytest

from services.storage.process import this_machine
from tasks.orchestration.alive import heartbeat

pytestmark = pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")


def test_run_ends_with_its_worker(tmp_path):
    """A worker is killed: the process of its run is gone within seconds, though it is at work."""
    run = textwrap.dedent(
        """
        import sys, time
        from tasks.orchestration.alive.heartbeat import end_with_parent
        end_with_parent()
        print("at work", flush=True)
        time.sleep(600)
        """
    )
    worker = textwrap.dedent(
        f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", {run!r}], start_new_session=True)
        print(child.pid, flush=True)
        child.wait()
        """
    )
    with subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        assert process.stdout.readline() == b"at work\n"
        process.kill()
        child.wait(timeout=60)


def test_run_waits_for_a_server_that_is_just_starting(monkeypatch):
    """Its first word is tried again, and not for ever."""
    slept: list[float] = []

    def refused(**_):
        raise RuntimeError("Failed to reach API")

    monkeypatch.setattr(heartbeat, "get_client", refused)
    with pytest.raises(RuntimeError, match="Failed to reach"):
        heartbeat.first_beat(uuid4(), clock=lambda: sum(slept), sleep=slept.append)
    assert len(slept) > 10 and sum(slept) >= heartbeat.PATIENCE_S
