"""Promises of the limits on heads, whatever packets they come in."""

import asyncio
import json

import pytest
import uvicorn
from uvicorn.server import ServerState

from services.fraud.http.header_limits import HEAD_BYTES, LimitedProtocol
from tests.services.fraud.http.wire import Wire

LINE = b"GET /livez HTTP/1.1\r\n"
CHUNKED = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"


class Connection:
    """A limited connection whose requests an application answers with what it got."""

    def __init__(self, *packets):
        self.wire, self.asked = Wire(), []
        asyncio.run(self._talk(packets))

    async def _talk(self, packets):
        config = uvicorn.Config(self._answer, interface="asgi3", lifespan="off", log_config=None)
        protocol = LimitedProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        protocol.connection_made(self.wire)
        for packet in packets:
            if not self.wire.closed:
                protocol.data_received(packet)
        for _ in range(10):
            await asyncio.sleep(0)
        protocol.connection_lost(None)

    async def _answer(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.asked.append((scope["path"], body, dict(scope["headers"]), scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @property
    def status(self):
        return int(self.wire.written[9:12])


def head_of(size, line=LINE, fill=b"X-Long: "):
    """A head of so many bytes."""
    bare = line + b"Host: a\r\n" + fill + b"\r\n\r\n"
    return bare.replace(fill, fill + b"a" * (size - len(bare)))


def small_headers_of(size):
    """A head of so many bytes in headers of ten."""
    bare = LINE + b"Host: a\r\n\r\n"
    many, rest = divmod(size - len(bare), 10)
    return bare[:-2] + b"a: 45678\r\n" * (many - 1) + b"a: 45678" + b"9" * rest + b"\r\n\r\n"


def long_line_of(size):
    bare = b"GET /livez? HTTP/1.1\r\nHost: a\r\n\r\n"
    return bare.replace(b"?", b"?" + b"q" * (size - len(bare)))


def padded_of(size):
    """Blanks before a value are of the head too."""
    bare = LINE + b"Host: a\r\nX:b\r\n\r\n"
    return bare.replace(b"X:", b"X:" + b" " * (size - len(bare)))


FORMS = {
    "one header": head_of,
    "many headers": small_headers_of,
    "long line": long_line_of,
    "blanks": padded_of,
}


def in_pieces(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("piece", [10**6, 4_096, 1_000, 7])
@pytest.mark.parametrize("form", FORMS)
def test_head_may_have_what_is_promised_and_no_byte_more(form, piece):
    """64 KiB, in one packet or in many; one byte more is refused and not answered."""
    most, more = FORMS[form](HEAD_BYTES), FORMS[form](HEAD_BYTES + 1)
    assert (len(most), len(more)) == (HEAD_BYTES, HEAD_BYTES + 1)
    allowed, refused = (Connection(*in_pieces(data, piece)) for data in (most, more))

    assert (allowed.status, [asked[0] for asked in allowed.asked]) == (200, ["/livez"])
    assert (refused.status, refused.asked, refused.wire.closed) == (431, [], True)


def test_head_that_is_whole_in_one_packet_is_refused_too():
    """66 KB and the blank line at once, as any client sends them."""
    refused = Connection(head_of(66_000))

    assert (refused.status, refused.asked) == (431, [])
    body = refused.wire.written.partition(b"\r\n\r\n")[2]
    assert json.loads(body)["error"]["code"] == "too_large"


def test_each_request_of_a_connection_counts_for_itself():
    """Large heads one after another, each in bounds, in one packet or in several."""
    three = head_of(40_000) * 3
    for piece in (10**6, 50_000, 1_000):
        connection = Connection(*in_pieces(three, piece))
        assert connection.wire.written.count(b"HTTP/1.1 200") >= 1
        assert b" 431 " not in connection.wire.written


def test_second_head_is_limited_as_the_first():
    """Also when it begins behind another request, or behind its body, in one packet."""
    first = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
    for before in (head_of(100), first + b"b" * 100_000):
        for packets in ([before + head_of(70_000)], [before, head_of(70_000)]):
            connection = Connection(*packets)
            assert b" 431 " in connection.wire.written
            assert [asked[0] for asked in connection.asked] in ([], ["/livez"], ["/x"])


def test_large_body_takes_nothing_from_the_next_head():
    """The end of a body and a small head in one packet of more than the limit."""
    first = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    head = head_of(1_000)
    connection = Connection(first, b"b" * 200_000 + head[:600], head[600:])

    assert b" 431 " not in connection.wire.written
    assert connection.asked[0][1] == b"b" * 200_000


@pytest.mark.parametrize("piece", [10**6, 10_000, 1_000])
@pytest.mark.parametrize(
    "endless",
    [
        b"5;a=" + b"x" * 80_000,
        b"5\r\nhello\r\n0\r\nX-Long: " + b"a" * 80_000,
        b"5\r\nhello\r\n0\r\n" + b"X-a: b\r\n" * 10_000,
    ],
    ids=["chunk extension", "one trailer", "many trailers"],
)
def test_what_follows_a_body_is_limited_too(endless, piece):
    """Extensions of chunks and trailers, which nobody reads."""
    packets = in_pieces(endless, piece)
    if piece > len(endless):  # body and trailers in one packet: the next one is the first to count
        packets.append(b"a" * 70_000)
    connection = Connection(CHUNKED, *packets)

    assert (connection.status, connection.wire.closed) == (431, True)


def test_body_in_many_small_chunks_is_taken():
    """More bytes of frame than of body are no fault."""
    chunks = b"1\r\nb\r\n" * 50_000 + b"0\r\n\r\n"
    for piece in (10**6, 999):
        connection = Connection(CHUNKED, *in_pieces(chunks, piece))
        assert (connection.status, connection.asked[0][1]) == (200, b"b" * 50_000)


def test_trailers_are_no_headers():
    """What comes behind the body changes nothing of the request."""
    trailers = b"1\r\nb\r\n0\r\nX-API-Key: secret\r\nHost: other\r\n\r\n"
    for packets in ([CHUNKED + trailers], [CHUNKED, trailers]):
        connection = Connection(*packets)
        [(_, _, headers, pairs)] = connection.asked
        assert b"x-api-key" not in headers
        assert [value for name, value in pairs if name == b"host"] == [b"a"]


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"http://evil.example/livez", b"evil.example"),
        (b"http://evil.example:80/livez", b"evil.example:80"),
        (b"http://localhost@evil.example/livez", b"evil.example"),
        (b"http://[::1]:3000/livez", b"[::1]:3000"),
        (b"/livez", b"localhost"),
    ],
)
def test_host_of_an_absolute_target_counts(target, host):
    """Whatever the Host header says beside it, as HTTP has it."""
    connection = Connection(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target)
    [(path, _, _, pairs)] = connection.asked

    assert path == "/livez"
    assert [value for name, value in pairs if name == b"host"] == [host]


def test_what_is_no_http_is_refused_in_the_shape_of_all_errors():
    """Bytes of another protocol, a version that is none, a header without a colon."""
    for packet in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", LINE + b"nonsense\r\n\r\n"):
        connection = Connection(packet)
        assert connection.status == 400
        body = connection.wire.written.partition(b"\r\n\r\n")[2]
        assert json.loads(body)["error"]["code"] == "invalid_http"
