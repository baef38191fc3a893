"""Promises of the watchdog: what hangs is ended, what only waits is not, and systemd knows."""

import logging
import socket
import threading

import pytest
from edge_detector.loop.watchdog import EXIT_STUCK, Pulse, Watchdog
from edge_detector.system.systemd import Notifier

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
    pulse = Pulse(clock)
    ends: list[int] = []
    told: list[str] = []
    dog = Watchdog(pulse, 10.0, on_stuck=told.append, end=ends.append)
    pulse.enter("the interpreter")

    clock.now = 10.0
    assert dog.look() and ends == []
    clock.now = 10.1
    assert not dog.look()

    assert ends == [EXIT_STUCK] and EXIT_STUCK == 70
    assert told == ["the interpreter"]
    assert caplog.records[-1].levelno == logging.CRITICAL
    assert "the interpreter has not come back for 10 s" in caplog.text


def test_watchdog_is_patient_with_a_loop_that_turns_or_rests(clock):
    """Each new stage begins anew, and a loop that waits for frames may wait for ever."""
    pulse = Pulse(clock)
    ends: list[int] = []
    alive: list[int] = []
    dog = Watchdog(pulse, 10.0, on_alive=lambda: alive.append(1), end=ends.append)

    for _ in range(100):
        pulse.enter("the interpreter")
        clock.now += 9.0
        assert dog.look()
        pulse.rest()
    clock.now += 10_000.0
    assert dog.look()

    assert ends == [] and len(alive) == 101


def test_watchdog_tells_systemd_only_while_the_loop_turns(clock):
    """systemd's own watchdog is not fed by a process that hangs."""
    pulse = Pulse(clock)
    alive: list[int] = []
    dog = Watchdog(pulse, 10.0, on_alive=lambda: alive.append(1), end=lambda _status: None)
    pulse.enter("the interpreter")
    clock.now = 60.0

    dog.look()

    assert alive == []


def test_watchdog_ends_also_if_its_farewell_hangs(clock):
    """What is done at last may hang on the same disk: the end comes anyway."""
    stuck, pulse = threading.Event(), Pulse(clock)
    ends: list[int] = []

    def hang(_stage):
        stuck.wait(60)

    dog = Watchdog(pulse, 10.0, on_stuck=hang, end=ends.append)
    pulse.enter("an output")
    clock.now = 60.0

    dog.look()
    stuck.set()

    assert ends == [EXIT_STUCK]


def test_watchdog_looks_by_itself():
    """It has a thread of its own, which notices within a fraction of its limit."""
    pulse, ended = Pulse(), threading.Event()
    dog = Watchdog(pulse, 0.2, end=lambda _status: ended.set())
    dog.start()

    pulse.enter("the interpreter")

    assert ended.wait(20)
    dog.stop()


def test_watchdog_stops_with_the_loop():
    """A run that ends takes its watchdog along."""
    before = threading.active_count()
    dog = Watchdog(Pulse(), 10.0)
    dog.start()

    dog.stop()

    assert threading.active_count() == before


class TestNotifier:
    @pytest.fixture(params=["file", "abstract"])
    def listener(self, request, tmp_path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            name = f"{tmp_path}/notify"
            receiver.bind(name if request.param == "file" else f"\0{name}")
            receiver.settimeout(60)
            address = name if request.param == "file" else f"@{name}"
            yield receiver, Notifier({"NOTIFY_SOCKET": address})

    def test_notifier_speaks_the_protocol_of_systemd(self, listener):
        """Starting, ready, status, watchdog and stopping, each in a message of its own."""
        receiver, notifier = listener

        notifier.starting("fetching", 90)
        notifier.ready("detecting\non camera 0")
        notifier.status("30 frames/s")
        notifier.alive()
        notifier.stopping()

        assert [receiver.recv(1000) for _ in range(5)] == [
            b"EXTEND_TIMEOUT_USEC=90000000\nSTATUS=fetching",
            b"READY=1\nSTATUS=detecting on camera 0",
            b"STATUS=30 frames/s",
            b"WATCHDOG=1",
            b"STOPPING=1",
        ]

    @pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
    def test_notifier_does_without_systemd(self, environment):
        """Nobody listens: nothing happens."""
        Notifier(environment).ready("detecting")

    def test_notifier_never_waits(self, tmp_path):
        """A listener that reads nothing does not hold the device up."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(f"{tmp_path}/notify")
            notifier = Notifier({"NOTIFY_SOCKET": f"{tmp_path}/notify"})
            done = threading.Event()

            def send():
                for _ in range(5000):
                    notifier.alive()
                done.set()

            threading.Thread(target=send, daemon=True).start()
            assert wait_for(done.is_set)
