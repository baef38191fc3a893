"""A file on another machine, read in blocks: only a few of them are ever in memory.

A block that does not come is asked for again, and what came short is gone on from; so a connection
that breaks costs one block, and a file is whole or an error.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol, TypeVar, cast

from tasks.sentiment.errors import SourceAway

T = TypeVar("T")
# Size in bytes (-1: not known before it is read), what tells versions of it apart ("": nothing), 0
State = tuple[int, int | str, int]
FIRST_BLOCK_BYTES = 256 << 10  # enough to look at the head of most files
LARGEST_BLOCK_BYTES = 16 << 20
PAUSES_S = (0.5, 2.0)  # before a block is asked for again


class Content(Protocol):
    """A remote file that was opened: all bytes are of one version.

    Attributes:
        size: in bytes.
    """

    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from a place before the end; fewer where a connection broke.

        Raises: SourceAway: none; asking again may help.
            SourceChanged: it is another version by now.
            SourceError: it may not be read.
        """


class Remote(Protocol):
    """A file at an address."""

    def state(self) -> State:
        """What it is now. Raises: FileNotFoundError, SourceError, SourceAway."""

    def open(self) -> Content:
        """Its content. Raises: as `state` does."""


@dataclass(frozen=True)
class RemoteFile:
    """What an input file at an address is opened by.

    Attributes:
        address: for people; it holds no secret.
    """

    address: str
    remote: Remote

    def state(self) -> State:
        """What it is now.

        Raises: FileNotFoundError, SourceError, SourceAway.
        """
        return persist(self.remote.state)

    def open(self) -> IO[bytes]:
        """Its bytes, in which every place can be gone to.

        Raises: FileNotFoundError, SourceError, SourceAway: also while it is read.
        """
        content = persist(self.remote.open)
        return cast("IO[bytes]", io.BufferedReader(_Blocks(self.address, content)))


class _Blocks(io.RawIOBase):
    """Larger blocks the longer it is read in order: few requests, and little of what is not
    wanted."""

    def __init__(self, address: str, content: Content) -> None:
        self._address, self._content = address, content
        self._place = 0
        self._start, self._block = 0, memoryview(b"")
        self._wanted = FIRST_BLOCK_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._content.size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._place >= self._content.size:
            return 0
        end = self._start + len(self._block)
        if not self._start <= self._place < end:
            larger = min(2 * self._wanted, LARGEST_BLOCK_BYTES)
            self._wanted = larger if self._place == end else FIRST_BLOCK_BYTES
            self._block = memoryview(b"")  # two are never held
            length = min(max(self._wanted, len(buffer)), self._content.size - self._place)
            place = self._place
            self._block = memoryview(persist(lambda: self._fetch(place, length)))
            self._start = place
        piece = self._block[self._place - self._start :][: len(buffer)]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def _fetch(self, offset: int, length: int) -> bytes:
        found = self._content.read_at(offset, length)
        if not found:
            raise SourceAway(
                f"{self._address} breaks off after {offset:,} of {self._content.size:,} bytes"
            )
        return found


def persist(ask: Callable[[], T]) -> T:
    """Ask again where a server did not answer. Raises: SourceAway: it never did."""
    for pause in PAUSES_S:
        try:
            return ask()
        except SourceAway:
            time.sleep(pause)
    return ask()
