"""A web server on loopback that says exactly what a test tells it to, however wrong that is."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket, "Talk"], None]


class Talk:
    """What the server has heard, and whether the test is over."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.over = threading.Event()


def reply(body: bytes, head: str = "", status: str = "200 OK", length: int | None = None) -> Answer:
    """An ordinary answer. length: what the head says of the body, if not the truth."""

    def answer(connection: socket.socket, _talk: Talk) -> None:
        says = len(body) if length is None else length
        lines = f"HTTP/1.1 {status}\r\nContent-Length: {says}\r\n{head}\r\n"
        connection.sendall(lines.encode() + body)

    return answer


def drip(start: bytes, drop: bytes = b"x", every_s: float = 0.02) -> Answer:
    """Begins, and then goes on with one drop after another, for ever."""

    def answer(connection: socket.socket, talk: Talk) -> None:
        connection.sendall(start)
        while not talk.over.wait(every_s):
            connection.sendall(drop)

    return answer


def silence(_connection: socket.socket, talk: Talk) -> None:
    """Takes the request and says nothing."""
    talk.over.wait()


@contextmanager
def server(*answers: Answer, greeting: Answer | None = None) -> Iterator[tuple[str, Talk]]:
    """Answers requests one after the other, the last answer again and again.

    greeting: done with each connection instead of waiting for a request.

    Yields:
        The address, and what was heard.
    """
    talk = Talk()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if greeting is not None:
                greeting(connection, talk)
                return
            connection.settimeout(10)
            while (request := _read_request(connection)) and not talk.over.is_set():
                talk.requests.append(request)
                answers[min(len(talk.requests), len(answers)) - 1](connection, talk)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                talk.connections += 1
                threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                threads[-1].start()

    threads.append(threading.Thread(target=accept, daemon=True))
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", talk
    finally:
        talk.over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        deadline = time.monotonic() + 15
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))


def _read_request(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(4096)
        if not received:
            return ""
        head += received
    return head.decode("latin-1")
