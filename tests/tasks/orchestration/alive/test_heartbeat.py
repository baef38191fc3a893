"""A run's process ends with its worker, and waits for a server that is just starting."""

import queue
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from uuid import uuid4

import cloudpickle  # type: ignore[import-untyped]  # comes with Prefect
import psutil
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

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


def test_flow_that_gives_signs_of_life_can_be_sent_to_a_dask_worker():
    """A command's run is at work, and Dask takes its flow along with each of its tasks."""

    @flow
    def night() -> str:
        return "scored"

    with heartbeat.beating_while(night):
        sent = cloudpickle.loads(cloudpickle.dumps(night))
        assert sent.fn() == "scored" and len(sent.on_running_hooks) == 1
    assert night.on_running_hooks == []


def test_signs_of_life_go_on_whatever_one_of_them_meets(monkeypatch):
    """The API is away, or another thread takes a variable from the environment meanwhile."""
    meets, given = [RuntimeError("Failed to reach API"), KeyError("GONE")], threading.Event()
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.001)

    def met(**_):
        if meets:
            raise meets.pop()
        given.set()
        raise RuntimeError("as good as given")

    monkeypatch.setattr(heartbeat, "get_client", met)
    with heartbeat.beating(uuid4()):
        assert given.wait(timeout=60)
    assert not meets


def test_signs_of_life_share_one_client_also_after_the_api_was_away(monkeypatch):
    """To open one takes processor time, by which a run at work is told from one that is stuck."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.001)
    opened, beats, enough = [], [], threading.Event()

    class Api:
        def update_flow_run_labels(self, _, labels):
            beats.append(labels["triptych.beat"])
            if len(beats) == 1:
                raise RuntimeError("Failed to reach API")
            if len(beats) == 4:
                enough.set()

        def read_flow_run(self, _):
            return SimpleNamespace(state=None)

    @contextmanager
    def one(**_):
        opened.append(True)
        yield Api()

    monkeypatch.setattr(heartbeat, "get_client", one)
    with heartbeat.beating(uuid4()):
        assert enough.wait(timeout=60)
    assert len(opened) == 1 and beats[:4] == [1, 2, 3, 4]


def test_signs_of_life_are_given_with_the_settings_of_the_run(monkeypatch):
    """Of the thread that begins them, and once only: the next one brings later news."""
    found = queue.SimpleQueue[tuple[str | None, int]]()
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.001)

    def look(**_):
        found.put((PREFECT_API_URL.value(), PREFECT_CLIENT_MAX_RETRIES.value()))
        raise RuntimeError("that will do")

    monkeypatch.setattr(heartbeat, "get_client", look)
    with (
        temporary_settings({PREFECT_API_URL: "http://of-the-run/api"}),
        heartbeat.beating(uuid4()),
    ):
        assert found.get(timeout=60) == ("http://of-the-run/api", 0)
