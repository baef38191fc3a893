"""Storages that fail, are watched, or count, around a real one."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from edge.release.repository.storage import Storage


class WriterKilled(Exception):
    """Stands for the end of the publisher's process."""


class WatchedStorage:
    """Calls `before` and `after` around every write of a file, with the number of the write."""

    def __init__(
        self,
        storage: Storage,
        before: Callable[[int], None] = lambda _number: None,
        after: Callable[[int], None] = lambda _number: None,
    ) -> None:
        self._storage = storage
        self._before = before
        self._after = after
        self.written: list[str] = []

    @property
    def url(self) -> str:
        return self._storage.url

    def read(self, name: str) -> bytes | None:
        return self._storage.read(name)

    def create(self, name: str, content: bytes) -> None:
        self._watch(name, lambda: self._storage.create(name, content))

    def replace(self, name: str, content: bytes, old: bytes | None) -> None:
        self._watch(name, lambda: self._storage.replace(name, content, old))

    def lock(self) -> AbstractContextManager[None]:
        return self._storage.lock()

    def _watch(self, name: str, write: Callable[[], None]) -> None:
        self._before(len(self.written))
        write()
        self.written.append(name)
        self._after(len(self.written))


def dying_storage(storage: Storage, writes: int) -> WatchedStorage:
    """A storage whose publisher is killed after so many writes."""

    def die(number: int) -> None:
        if number == writes:
            raise WriterKilled

    return WatchedStorage(storage, before=die)
