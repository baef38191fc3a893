"""An answer travels in one packet, and nothing of it waits for what comes later."""

import asyncio

import pytest

from services.fraud.http.joined_writes import JOINED_BYTES, JoinedWrites
from tests.services.fraud.http.wire import Wire

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


def packets(*written: bytes | None) -> list[bytes]:
    """What goes over the wire; None: the loop goes on to what else is ready."""
    wire = Wire()

    async def write_all() -> None:
        transport = JoinedWrites(wire, asyncio.get_running_loop())
        for data in written:
            if data is None:
                await asyncio.sleep(0)
            else:
                transport.write(data)
        transport.close()
        await asyncio.sleep(0)

    asyncio.run(write_all())
    assert wire.closed
    return wire.packets


LONG = b"x" * (JOINED_BYTES + 1)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([HEAD, b"ok"], [HEAD + b"ok"]),
        ([HEAD, b"ok", HEAD, b"ok"], [HEAD + b"ok", HEAD + b"ok"]),
        ([HEAD, None, b"ok"], [HEAD, b"ok"]),  # the body is made later
        ([HEAD, b"o", b"k"], [HEAD + b"o", b"k"]),
        ([HEAD, LONG], [HEAD, LONG]),
        ([HEAD], [HEAD]),  # an answer without a body, before its connection is closed
        ([HEAD, None, None], [HEAD]),
        ([CONTINUE, None, HEAD, b"ok"], [CONTINUE, HEAD + b"ok"]),
        ([CONTINUE, HEAD, b"ok"], [CONTINUE + HEAD, b"ok"]),
        ([HEAD, memoryview(b"o"), bytearray(b"k"), memoryview(b"")], [HEAD + b"o", b"k", b""]),
        ([HEAD, b"o", None, HEAD], [HEAD + b"o", HEAD]),  # a body that looks like a head
    ],
)
def test_head_goes_with_the_body_that_follows_at_once(written, expected):
    assert packets(*written) == expected


def test_head_is_not_written_to_a_connection_that_was_lost():
    wire = Wire()

    async def lose() -> None:
        JoinedWrites(wire, asyncio.get_running_loop()).write(HEAD)
        wire.closed = True
        await asyncio.sleep(0)

    asyncio.run(lose())
    assert wire.packets == []
