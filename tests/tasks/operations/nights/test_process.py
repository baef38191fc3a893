"""A process is known again, and known to be gone, by others than itself."""

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from uuid import uuid4

import psutil
import pytest

from tasks.operations.nights import heartbeat
from tasks.operations.nights.process import Process, start_of, this_machine

pytestmark = pytest.mark.skipif(not this_machine(), reason="only Linux tells processes apart so")


def test_process_that_lives_is_not_gone():
    """Its text tells another process all that is needed."""
    here = Process.read(str(Process.here()))

    assert here == Process.here()
    assert here is not None and here.is_near and not here.is_gone()


def test_process_that_has_ended_is_gone_though_its_number_is_in_use():
    """The kernel gives numbers anew; a zombie is gone as well."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = replace(Process.here(), pid=child.pid, started=start_of(child.pid) or "")
        assert not process.is_gone()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.is_gone()  # a zombie still
    assert process.is_gone()
    assert replace(process, pid=os.getpid()).is_gone()  # another process has the number


def test_process_elsewhere_cannot_be_seen():
    """Another machine, or this one before it was started again."""
    assert not replace(Process.here(), machine="elsewhere").is_near
    assert Process.read("whatever") is None


def test_run_ends_with_its_worker(tmp_path):
    """A worker is killed: the process of its run is gone within seconds, though it is at work."""
    run = textwrap.dedent(
        """
        import sys, time
        from tasks.operations.nights.heartbeat import end_with_parent
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
