"""Hands values from one thread to another, in order, a bounded number at a time.

Two queues written in C, one for the values and one for the free places: a hand-over costs a few
microseconds and holds the interpreter lock hardly at all, which a `queue.Queue` does not manage.
"""

from collections.abc import Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """From one thread that puts, and closes at its end, to one that iterates, or abandons."""

    def __init__(self, places: int) -> None:
        self._values: SimpleQueue[tuple[T] | None] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        self._abandoned = False
        for _ in range(places):
            self._free.put(None)

    def wait(self) -> bool:
        """Wait for a place, which is then taken; False if nobody takes values any more."""
        self._free.get()
        if self._abandoned:
            self._free.put(None)
        return not self._abandoned

    def put(self, value: T) -> None:
        """Hand over a value, into the place that `wait` has taken."""
        self._values.put((value,))

    def close(self) -> None:
        """Nothing more will come: the iteration ends after what was put."""
        self._values.put(None)

    def abandon(self) -> None:
        """Nothing more is taken: `wait` no longer does."""
        self._abandoned = True
        self._free.put(None)

    def __iter__(self) -> Iterator[T]:
        while (box := self._values.get()) is not None:
            self._free.put(None)
            yield box[0]
