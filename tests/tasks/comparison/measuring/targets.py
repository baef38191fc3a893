"""Targets of known speed, and a small HTTP door, for loads in tests."""

import queue
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.comparison.measuring.load.loadgen import Done, Sample

Answer = Callable[[bytes], tuple[int, bytes] | None]


class AtOnce:
    """Answers within the call, and keeps what it was asked."""

    def __init__(self):
        self.faults = []
        self.asked = []

    def ask(self, samples, done):
        self.asked.append([sample.row for sample in samples])
        done([sample.id for sample in samples])


class Serial:
    """Answers one sample after another, each after so many seconds, as one slow worker does."""

    def __init__(self, seconds):
        self.faults = []
        self._seconds = seconds
        self._waiting: queue.SimpleQueue[tuple[Sample, Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def ask(self, samples, done):
        for sample in samples:
            self._waiting.put((sample, done))

    def _work(self):
        while (turn := self._waiting.get()) is not None:
            time.sleep(self._seconds)
            sample, done = turn
            done([sample.id])

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._waiting.put(None)
        self._thread.join()


class _Handler(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self):
        while head := self._head():
            length = next(int(h[15:]) for h in head if h.lower().startswith(b"content-length:"))
            answer = self.server.answer(self.rfile.read(length))
            if answer is None:  # hang up
                return
            status, body = answer
            told = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
            self.wfile.write(told)

    def _head(self):
        lines = []
        while (line := self.rfile.readline().rstrip()) != b"":
            lines.append(line)
        return lines


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer


@contextmanager
def http_door(answer: Answer) -> Iterator[tuple[str, int]]:
    """A door on a free port; answer: from a body to status and body, or None to hang up."""
    with _Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield "127.0.0.1", server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()
