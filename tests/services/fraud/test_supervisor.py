"""Promises of how workers follow their server, and of an address that cannot be listened on."""

import errno
import os
import socket
import subprocess
import sys
import threading

import pytest

from services.fraud import supervisor
from services.fraud.supervisor import Watch, describe_binding
from tests.services.fraud.running import ROOT

# A server that starts a worker and ends at once, before the worker has looked.
ORPHANED = """
import os, subprocess, sys
from services.fraud import supervisor
supervisor.announce()
program = (
    "import os, signal, sys, time\\n"
    "while os.getppid() == int(sys.argv[1]): time.sleep(0.01)\\n"
    "from services.fraud import supervisor\\n"
    "signal.signal(signal.SIGTERM, lambda *_: (print('asked to end', flush=True), os._exit(0)))\\n"
    "supervisor.Watch(supervisor.announced()).start()\\n"
    "time.sleep(30)\\n"
)
subprocess.Popen([sys.executable, "-c", program, str(os.getpid())])
os._exit(0)
"""


@pytest.fixture
def parent(monkeypatch):
    """The number of this process's parent; a list, so that a test may change it."""
    number = [4_711]
    monkeypatch.setattr(os, "getppid", lambda: number[0])
    monkeypatch.setattr(supervisor, "LOOK_EVERY_S", 0.01)
    return number


@pytest.fixture
def ended(monkeypatch):
    """Set once this process has asked itself to end."""
    asked = threading.Event()
    monkeypatch.setattr(os, "kill", lambda pid, number: asked.set())
    return asked


def test_worker_ends_when_its_parent_is_another_one(parent, ended):
    """Once, and not before."""
    watch = Watch("4711-name")
    watch.start()
    assert not ended.wait(0.1)
    parent[0] = 1
    assert ended.wait(10)
    watch.stop()  # as the service does in time, when it is asked to end


def test_worker_that_was_closed_watches_no_more(parent, ended):
    """It has ended already."""
    watch = Watch("4711-name")
    watch.start()
    watch.stop()
    watch._thread.join(10)
    parent[0] = 1
    assert not watch._thread.is_alive() and not ended.is_set()


def test_server_that_ended_before_the_worker_looked_is_noticed():
    """The number is told, not looked up: else the worker would take its new parent for it."""
    done = subprocess.run(
        [sys.executable, "-c", ORPHANED], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "asked to end\n", done.stderr


def test_servers_have_names_of_their_own(monkeypatch):
    """Even with one number, as in two containers."""
    monkeypatch.setenv(supervisor.VARIABLE, "before")
    first, second = supervisor.announce(), supervisor.announce()

    assert first != second
    assert first.partition("-")[0] == second.partition("-")[0] == str(os.getpid())
    assert supervisor.announced() == second


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EADDRINUSE, ("port 3000 of 127.0.0.1 is taken", "--port", "TRIPTYCH_FRAUD_PORT")),
        (errno.EACCES, ("port 3000", "1024", "--port")),
        (errno.EADDRNOTAVAIL, ("127.0.0.1 is no address of this machine", "--host")),
        (errno.EPERM, ("port 3000 of 127.0.0.1 cannot be listened on", os.strerror(errno.EPERM))),
    ],
)
def test_address_that_cannot_be_listened_on_is_told_with_what_to_do(number, told):
    """In one line."""
    line = describe_binding(("127.0.0.1", 3000), OSError(number, os.strerror(number)))

    assert all(part in line for part in told)
    assert "\n" not in line


def test_socket_that_cannot_be_bound_ends_the_process_with_one_line():
    """And one that can is bound."""

    class Socket(socket.socket):
        pass

    supervisor.explain_binding(Socket)
    with Socket() as taken, Socket() as late:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit, match=r"^error: port \d+ of 127\.0\.0\.1 is taken"):
            late.bind(taken.getsockname())
