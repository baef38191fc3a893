"""The client: each answer is looked at, each sample gets one, and all bytes count."""

import threading

import numpy as np
import pytest

from tasks.comparison.measuring.load.http_client import (
    Many,
    OneByOne,
    answer_in,
    request_bytes,
)
from tasks.comparison.measuring.load.loadgen import LoadSpec, Sample, run_load
from tests.tasks.comparison.measuring.targets import http_door

ROWS = 50


def echo(body):
    return 200, body


def requests(address):
    return [request_bytes(address, "/", b'{"row": %d}' % row) for row in range(ROWS)]


def clients(address, check=None):
    yield OneByOne(address, requests(address), check)
    yield Many(address, requests(address), 4, check)


def ask_all(client, samples=ROWS):
    """Ask for rows in turn; how often each was answered, once all are."""
    answered, all_there = np.zeros(samples, int), threading.Semaphore(0)

    def done(ids):
        for one in ids:
            answered[one] += 1
            all_there.release()

    client.ask([Sample(number, number % ROWS) for number in range(samples)], done)
    for _ in range(samples):
        assert all_there.acquire(timeout=60)
    return answered


def test_each_sample_is_answered_once():
    """By one connection and by several, with more samples than connections."""
    with http_door(echo) as address:
        for client in clients(address):
            with client:
                assert (ask_all(client, 300) == 1).all()
            assert client.faults == []
            assert client.counted.answers == 300


def test_answer_belongs_to_the_row_that_was_asked():
    def check(row, body):
        return None if body == b'{"row": %d}' % row else "another row's"

    with http_door(echo) as address:
        for client in clients(address, check):
            with client:
                ask_all(client, 300)
            assert client.faults == []


def test_wrong_answer_is_a_fault():
    with http_door(echo) as address:
        for client in clients(address, lambda row, body: "wrong" if row == 7 else None):
            with client:
                ask_all(client)
            assert client.faults == ["row 7: wrong"]


def test_bytes_are_those_of_request_and_answer_with_their_heads():
    with http_door(lambda body: (200, b"x" * 100)) as address:
        answer = len(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n") + 100
        wanted = np.mean([len(request) + answer for request in requests(address)])
        for client in clients(address):
            with client:
                ask_all(client)
            assert client.counted.per_answer == pytest.approx(wanted)


def test_refusal_is_a_fault_with_its_status():
    def answer(body):
        return (503, b"busy") if body == b'{"row": 3}' else (200, body)

    with http_door(answer) as address:
        for client in clients(address):
            with client:
                assert (ask_all(client) == 1).all()
            assert client.faults == ["row 3 got 503: busy"]


def test_connection_that_breaks_costs_one_answer_alone():
    """The door is asked on over a new one."""

    def answer(body):
        return None if body == b'{"row": 3}' else (200, body)

    with http_door(answer) as address:
        for client in clients(address):
            with client:
                assert (ask_all(client) == 1).all()
            assert len(client.faults) == 1 and client.faults[0].startswith("row 3: ")


def test_door_that_is_gone_leaves_nobody_waiting():
    with http_door(echo) as address:
        pass
    for client in clients(address):
        with client:
            assert (ask_all(client) == 1).all()
        assert len(client.faults) == ROWS


@pytest.mark.parametrize(
    ("received", "found"),
    [
        (b"", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", None),
        (b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 422 No\r\nA: b\r\nCONTENT-LENGTH: 0\r\n\r\n", (422, b"")),
    ],
)
def test_answer_is_taken_when_it_is_whole(received, found):
    assert answer_in(received) == found


def test_answer_without_a_length_is_refused():
    with pytest.raises(ValueError, match="length"):
        answer_in(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def test_client_serves_the_generator_in_each_scenario():
    """Server from several connections, SingleStream from one, and nothing is left open."""
    pytest.importorskip("mlperf_loadgen", reason="the load generator is not installed")
    with http_door(echo) as address:
        with Many(address, requests(address), 8) as client:
            arrived = run_load(LoadSpec("Server", ROWS, seconds=0.5, per_s=200), client)
            whole = run_load(LoadSpec("Offline", ROWS, samples=200), client)
        with OneByOne(address, requests(address)) as client:
            single = run_load(LoadSpec("SingleStream", ROWS, seconds=0.2), client)
    for recorded in (arrived, whole, single):
        assert recorded.faults == ()
    assert len(whole.trace.rows) == 200
    assert not any(thread.name == "answers" for thread in threading.enumerate())
