"""Promises of the watchdog: what hangs is ended, what only waits is not, and systemd knows."""

import logging
import socket
import threading

import pytest
from edge_detector.loop.watchdog import EXIT_STUCK, Heartbeat, Watchdog
from edge_detector.system.systemd import Systemd

from tests.edge.device.captures import wait_for


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_watchdog_ends_a_process_that_hangs(clock, caplog):
    """A stage that takes too long ends the process with status 70, and says which."""
    heartbeat = Heartbeat(clock)
    ends: list[int] = []
    stages: list[str] = []
    dog = Watchdog(heartbeat, 10.0, on_stuck=stages.append, end=ends.append)
    heartbeat.enter("the interpreter")

    clock.now = 10.0
    assert dog.check() and ends == []
    clock.now = 10.1
    assert not dog.check()

    assert ends == [EXIT_STUCK] and EXIT_STUCK == 70
    assert stages == ["the interpreter"]
    critical = [each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL]
    assert "the interpreter has not come back for 10 s" in critical[-1]


def test_watchdog_is_patient_with_a_loop_that_turns_or_rests(clock):
    """Each new stage begins anew, and a loop that waits for frames may wait for ever."""
    heartbeat = Heartbeat(clock)
    ends: list[int] = []
    alive: list[int] = []
    dog = Watchdog(heartbeat, 10.0, on_alive=lambda: alive.append(1), end=ends.append)

    for _ in range(100):
        heartbeat.enter("the interpreter")
        clock.now += 9.0
        assert dog.check()
        heartbeat.rest()
    clock.now += 10_000.0
    assert dog.check()

    assert ends == [] and len(alive) == 101


def test_watchdog_tells_systemd_only_while_the_loop_turns(clock):
    """systemd's own watchdog is not fed by a process that hangs."""
    heartbeat = Heartbeat(clock)
    alive: list[int] = []
    dog = Watchdog(heartbeat, 10.0, on_alive=lambda: alive.append(1), end=lambda _status: None)
    heartbeat.enter("the interpreter")
    clock.now = 60.0

    dog.check()

    assert alive == []


def test_watchdog_ends_also_if_its_farewell_hangs(clock, monkeypatch):
    """What is done at last may hang on the same disk: the end comes anyway."""
    monkeypatch.setattr("edge_detector.loop.watchdog.FAREWELL_S", 0.1)
    stuck, heartbeat = threading.Event(), Heartbeat(clock)
    ends: list[int] = []

    def hang(_stage):
        stuck.wait(60)

    dog = Watchdog(heartbeat, 10.0, on_stuck=hang, end=ends.append)
    heartbeat.enter("an output")
    clock.now = 60.0

    dog.check()
    stuck.set()

    assert ends == [EXIT_STUCK]


def test_watchdog_looks_by_itself():
    """It has a thread of its own, which notices within a fraction of its limit."""
    heartbeat, ended = Heartbeat(), threading.Event()
    dog = Watchdog(heartbeat, 0.2, end=lambda _status: ended.set())
    dog.start()

    heartbeat.enter("the interpreter")

    assert ended.wait(20)
    dog.stop()


def test_watchdog_stops_with_the_loop():
    """A run that ends takes its watchdog along."""
    before = set(threading.enumerate())
    dog = Watchdog(Heartbeat(), 10.0)
    dog.start()

    dog.stop()

    assert set(threading.enumerate()) <= before


class TestSystemd:
    @pytest.fixture(params=["file", "abstract"])
    def listener(self, request, tmp_path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            name = f"{tmp_path}/notify"
            receiver.bind(name if request.param == "file" else f"\0{name}")
            receiver.settimeout(60)
            address = name if request.param == "file" else f"@{name}"
            yield receiver, Systemd({"NOTIFY_SOCKET": address})

    def test_systemd_is_told_in_its_protocol(self, listener):
        """Starting, ready, status, watchdog and stopping, each in a message of its own."""
        receiver, systemd = listener

        systemd.starting("fetching", 90)
        systemd.ready("detecting\non camera 0")
        systemd.status("30 frames/s")
        systemd.alive()
        systemd.stopping()

        assert [receiver.recv(1000) for _ in range(5)] == [
            b"EXTEND_TIMEOUT_USEC=90000000\nSTATUS=fetching",
            b"READY=1\nSTATUS=detecting on camera 0",
            b"STATUS=30 frames/s",
            b"WATCHDOG=1",
            b"STOPPING=1",
        ]

    @pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
    def test_systemd_may_be_absent(self, environment):
        """Nobody listens: nothing happens."""
        Systemd(environment).ready("detecting")

    def test_systemd_is_never_waited_for(self, tmp_path):
        """A listener that reads nothing does not hold the device up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(f"{tmp_path}/notify")
            systemd = Systemd({"NOTIFY_SOCKET": f"{tmp_path}/notify"})
            done = threading.Event()

            def send():
                for _ in range(5000):
                    systemd.alive()
                done.set()

            threading.Thread(target=send, daemon=True).start()
            assert wait_for(done.is_set)
