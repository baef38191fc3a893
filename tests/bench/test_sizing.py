"""What the sizing page calculates from what was measured."""

import argparse
import socket
import threading
from contextlib import ExitStack

import pytest

from tests.benchmarks.sizing.__main__ import kept_results, read_parts
from tests.benchmarks.sizing.devices import CountingProxy, Traffic, ask, update_interval_s
from tests.benchmarks.sizing.nights import Scaling
from tests.benchmarks.sizing.transactions import render


def test_serial_share_follows_from_one_worker_and_two():
    """10 s of 50 are serial: two workers need 30 s, and eight 15."""
    scaling = Scaling.of(50.0, 30.0)
    assert (scaling.serial_s, scaling.parallel_s) == (10.0, 40.0)
    assert scaling.serial_share == pytest.approx(0.2)
    assert [scaling.seconds(workers) for workers in (1, 2, 8)] == [50.0, 30.0, 15.0]


@pytest.mark.parametrize(("two_s", "share"), [(60.0, 1.0), (50.0, 1.0), (20.0, 0.0)])
def test_serial_share_stays_a_share_where_times_are_noisy(two_s, share):
    """Two workers slower than one, or more than twice as quick."""
    assert Scaling.of(50.0, two_s).serial_share == share


def test_fleet_asks_what_its_devices_ask():
    polls = {
        "nothing new": Traffic(requests=2, connections=1, sent=400, received=600),
        "a new release": Traffic(requests=8, connections=1, sent=1_600, received=1_000_000),
    }
    found = ask(9_000, 900.0, polls)
    assert found["requests_per_s"] == 20
    assert found["kb_per_s"] == 10
    assert found["gb_per_day"] == pytest.approx(0.864)
    assert found["gb_per_release"] == pytest.approx(9)
    assert found["mbit_per_s_in_a_release"] == 80


def test_interval_is_that_of_a_device_which_is_told_nothing():
    assert update_interval_s() == 900


def test_proxy_counts_what_goes_through_it_and_changes_nothing():
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(b"x" * 5_000)

        threading.Thread(target=answer, daemon=True).start()
        proxy = CountingProxy(server.getsockname()[1], stack)
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            received = b"".join(iter(lambda: client.recv(65_536), b""))
    assert received == b"x" * 5_000
    assert proxy.take() == Traffic(requests=1, connections=1, sent=18, received=5_000)
    assert proxy.take() == Traffic()


def test_part_that_does_not_exist_is_told_with_those_that_do():
    assert read_parts("tables,devices") == ("tables", "devices")
    with pytest.raises(argparse.ArgumentTypeError, match="moon: there are reviews, nights"):
        read_parts("tables,moon")


def test_figures_of_another_machine_are_not_kept(tmp_path):
    file = tmp_path / "sizing.json"
    assert kept_results(file, {"cpu": "one"}) == {}
    file.write_text('{"machine": {"cpu": "one"}, "parts": {"tables": {}}}')
    assert kept_results(file, {"cpu": "one"}) == {"tables": {}}
    assert kept_results(file, {"cpu": "another"}) == {}


def test_transactions_are_told_with_the_cores_that_they_take():
    figure = {
        "way": "file",
        "connections": 8,
        "per_s": 1_000,
        "p50_ms": 1.0,
        "p99_ms": None,
        "replica_cpu_s": 0.5,
        "postgres_cpu_s": None,
    }
    assert render({"figures": [figure]})[2] == "| file | 8 | 1,000 | 1.00 / - | 0.50 | - |"
