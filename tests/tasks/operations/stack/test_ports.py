"""Ports are looked at before anything starts."""

import socket
from collections.abc import Iterator

import pytest

from tasks.operations.stack.errors import StackError
from tasks.operations.stack.ports import DEFAULTS, choose_ports

ANY = dict.fromkeys(DEFAULTS, "0")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_free_ports_differ():
    """For 0 any that is free, as a number that can be handed on."""
    chosen = choose_ports(ANY)
    assert chosen.keys() == DEFAULTS.keys()
    assert len(set(chosen.values())) == len(DEFAULTS) and 0 not in chosen.values()


def test_ports_that_are_taken_are_named_with_their_variables(taken):
    """All of them at once, and what for."""
    with pytest.raises(StackError) as told:
        choose_ports(ANY | {"TRIPTYCH_FRAUD_PORT": str(taken)})
    assert str(told.value) == (
        f"port {taken}, for the fraud service, is taken: end what listens there (lsof -i :{taken}"
        " names it), or give another in TRIPTYCH_FRAUD_PORT"
    )
    with pytest.raises(StackError, match=r"TRIPTYCH_PORT; .* TRIPTYCH_PREVIEW_PORT"):
        choose_ports(ANY | {"TRIPTYCH_PORT": str(taken), "TRIPTYCH_PREVIEW_PORT": str(taken)})


def test_two_parts_of_one_port_are_told_so():
    """And not that somebody else has it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with pytest.raises(StackError, match=r"is that of TRIPTYCH_PORT too: give another in"):
        choose_ports(ANY | {"TRIPTYCH_PORT": port, "TRIPTYCH_RELEASES_PORT": port})


@pytest.mark.parametrize("given", ["http", "-1", "65536", "3000.0", "²", "9" * 5000])
def test_what_is_no_port_is_refused(given):
    """In one line of some length."""
    with pytest.raises(StackError, match=r"^TRIPTYCH_PORT is .{1,110}: give a port from 1 to"):
        choose_ports(ANY | {"TRIPTYCH_PORT": given})
