"""A client of one HTTP door, for a load generator: quick, and sure of each answer.

Requests are bytes that were made beforehand, connections are kept, and what goes over them is
counted. An answer that is not 200 is a fault, and so is a connection that breaks; the door is then
asked over a new one.
"""

import re
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from tasks.comparison.measuring.load.loadgen import Done, Sample

PATIENCE_S = 30.0
READ_BYTES = 64 * 2**10
MOST_FAULTS = 100  # that are kept in words
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Check = Callable[[int, bytes], str | None]


@dataclass
class Counted:
    """Bytes that went over the connections, heads included, and the answers they were for."""

    bytes: int = 0
    answers: int = 0

    @property
    def per_answer(self) -> float:
        return self.bytes / self.answers if self.answers else 0.0


@dataclass(eq=False)
class _Connection:
    """One connection and what is under way on it."""

    address: tuple[str, int]
    link: socket.socket | None = None
    sample: Sample | None = None
    done: Done | None = None
    received: bytearray = field(default_factory=bytearray)

    def opened(self) -> socket.socket:
        if self.link is None:
            self.link = socket.create_connection(self.address, timeout=PATIENCE_S)
            self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.link

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
        self.link = None
        self.received.clear()


def answer_in(received: bytes | bytearray) -> tuple[int, bytes] | None:
    """Status and body of what has arrived; None if it is not all there yet.

    Raises: ValueError: it is no answer whose length is told.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(received, 0, end)
    if not received.startswith(b"HTTP/1.1 ") or length is None:
        raise ValueError("no answer of HTTP/1.1 with its length")
    begin = end + 4
    if len(received) < begin + int(length[1]):
        return None
    return int(received[9:12]), bytes(received[begin : begin + int(length[1])])


class _Client:
    """What both clients have: the requests by row, and what came of them."""

    def __init__(
        self, address: tuple[str, int], requests: Sequence[bytes], check: Check | None = None
    ) -> None:
        """requests: whole, by row. check: given a row and the body of its answer, says what is
        wrong with it."""
        self.faults: list[str] = []
        self.counted = Counted()
        self._address, self._requests, self._check = address, requests, check

    def _note(
        self, sample: Sample, request: bytes, received: int, answer: tuple[int, bytes]
    ) -> None:
        status, body = answer
        self.counted.bytes += len(request) + received
        self.counted.answers += 1
        if status != 200:
            self._fault(f"row {sample.row} got {status}: {body[:200].decode('utf-8', 'replace')}")
        elif self._check and (wrong := self._check(sample.row, body)):
            self._fault(f"row {sample.row}: {wrong}")

    def _fault(self, what: str) -> None:
        self.faults.append(what if len(self.faults) < MOST_FAULTS else "")


class OneByOne(_Client):
    """Asks over one connection, and waits for each answer: for SingleStream."""

    def ask(self, samples: Sequence[Sample], done: Done) -> None:
        """See `Target`."""
        for sample in samples:
            request, found = self._requests[sample.row], None
            try:
                found = self._exchange(request)
            except (OSError, ValueError) as error:
                self._connection.close()
                self._fault(f"row {sample.row}: {error}")
            done([sample.id])  # first: looking at the answer is none of the latency
            if found is not None:
                self._note(sample, request, *found)

    def _exchange(self, request: bytes) -> tuple[int, tuple[int, bytes]]:
        """Bytes that came, with the head; status and body.

        Raises: OSError: the connection broke; ValueError: it is no answer.
        """
        link = self._connection.opened()
        link.sendall(request)
        received = b""
        while (answer := answer_in(received)) is None:
            if not (part := link.recv(READ_BYTES)):
                raise OSError("the door hung up")
            received += part
        return len(received), answer

    def __enter__(self) -> Self:
        self._connection = _Connection(self._address)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


class Many(_Client):
    """Asks over several connections at once; what finds none free waits in line, in its order."""

    def __init__(
        self,
        address: tuple[str, int],
        requests: Sequence[bytes],
        connections: int,
        check: Check | None = None,
    ) -> None:
        super().__init__(address, requests, check)
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Sample, Done]] = deque()
        self._all = [_Connection(address) for _ in range(connections)]
        self._free = list(self._all)
        self._by_number: dict[int, _Connection] = {}
        self._poll = select.epoll()
        self._wake, self._woken = socket.socketpair()
        self._reader = threading.Thread(target=self._read, name="answers", daemon=True)

    def ask(self, samples: Sequence[Sample], done: Done) -> None:
        """See `Target`."""
        for sample in samples:
            with self._lock:
                connection = self._free.pop() if self._free else None
                if connection is None:
                    self._waiting.append((sample, done))
            if connection is not None:
                self._send(connection, sample, done)

    def _send(self, connection: _Connection, sample: Sample, done: Done) -> None:
        """Send on a connection that is the caller's; if it is broken, the next in line follow."""
        turn: tuple[Sample, Done] | None = (sample, done)
        while turn is not None:
            connection.sample, connection.done = turn
            try:
                fresh = connection.link is None
                link = connection.opened()
                if fresh:
                    self._by_number[link.fileno()] = connection
                    self._poll.register(link, select.EPOLLIN)
                link.sendall(self._requests[turn[0].row])
                return
            except OSError as error:
                turn = self._broken(connection, error)

    def _broken(self, connection: _Connection, error: Exception) -> tuple[Sample, Done] | None:
        """Give up what was under way on a connection; who is next to be sent on it."""
        if connection.link is not None:
            self._by_number.pop(connection.link.fileno(), None)
        connection.close()
        sample, done = connection.sample, connection.done
        connection.sample = connection.done = None
        if sample is None or done is None:  # it was free, and is opened anew when it is needed
            return None
        self._fault(f"row {sample.row}: {error}")
        done([sample.id])
        return self._next(connection)

    def _next(self, connection: _Connection) -> tuple[Sample, Done] | None:
        """Who waits longest; if nobody does, the connection is free."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._free.append(connection)
            return None

    def _read(self) -> None:
        while True:
            for number, _ in self._poll.poll():
                if number == self._woken.fileno():
                    return
                if connection := self._by_number.get(number):
                    self._receive(connection)

    def _receive(self, connection: _Connection) -> None:
        following: tuple[Sample, Done] | None
        try:
            part = connection.link.recv(READ_BYTES) if connection.link else b""
            if not part:
                raise OSError("the door hung up")
            connection.received += part
            answer = answer_in(connection.received)
        except (OSError, ValueError) as error:
            following = self._broken(connection, error)
        else:
            if answer is None:
                return
            following = self._answered(connection, answer)
        if following is not None:
            self._send(connection, *following)

    def _answered(
        self, connection: _Connection, answer: tuple[int, bytes]
    ) -> tuple[Sample, Done] | None:
        sample, done = connection.sample, connection.done
        size = len(connection.received)
        connection.received.clear()
        connection.sample = connection.done = None
        if sample is None or done is None:  # it spoke unasked
            return None
        done([sample.id])
        self._note(sample, self._requests[sample.row], size, answer)
        return self._next(connection)

    def __enter__(self) -> Self:
        self._poll.register(self._woken, select.EPOLLIN)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.send(b"x")
        self._reader.join()
        for connection in self._all:
            connection.close()
        self._poll.close()
        self._wake.close()
        self._woken.close()


def request_bytes(address: tuple[str, int], path: str, body: bytes) -> bytes:
    """A POST of JSON, whole."""
    host, port = address
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
