"""Where a repository lies: what it needs of the place, and a folder as one (see `bucket`).

Names are relative paths with slashes. A file is there whole or not at all, whenever its writer is
killed, and no reader sees half of one. Files are created once and never change, but for the one
that `replace` is used on. Old files stay, so that a reader who began before a change can finish.

Publishers keep each other out by a lock. In a folder it is the operating system's, on the file
`.lock`: it ends with the process that holds it, however that ends.
"""

import fcntl
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from edge.release.errors import RepositoryError

LOCK = ".lock"
PATIENCE_S = 60.0  # how long to wait for another publisher
_TEMPORARY = ".tmp-"
_POLL_S = 0.1


class Conflict(RepositoryError):
    """Something else is there than was expected: another program writes here, too."""


class Storage(Protocol):
    """What a repository needs of the place it lies in."""

    @property
    def url(self) -> str:
        """Its address, for people."""

    def read(self, name: str) -> bytes | None:
        """The content, or None where there is no such file."""

    def create(self, name: str, content: bytes) -> None:
        """Write a file that will not change; nothing happens where it is there already.

        Raises: Conflict: it is there with another content.
        """

    def replace(self, name: str, content: bytes, old: bytes | None) -> None:
        """Write a file in place of the content that was read before (None: there was none).

        Raises: Conflict: there is something else by now.
        """

    def lock(self) -> AbstractContextManager[None]:
        """Keep other publishers out.

        Raises: RepositoryError: another one is at work and did not end in time; names it.
        """


class FolderStorage:
    """A folder that any web server can serve."""

    def __init__(self, folder: Path, patience_s: float = PATIENCE_S) -> None:
        self.folder = folder.absolute()
        self._patience_s = patience_s

    @property
    def url(self) -> str:
        return str(self.folder)

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RepositoryError(f"{self.folder / name} cannot be read: {error}") from error

    def create(self, name: str, content: bytes) -> None:
        present = self.read(name)
        if present is None:
            self._write(name, content)
        elif present != content:
            raise Conflict(f"{self.folder / name} is there already, with another content")

    def replace(self, name: str, content: bytes, old: bytes | None) -> None:
        if self.read(name) != old:
            raise Conflict(f"{self.folder / name} was changed by another program")
        self._write(name, content)

    @contextmanager
    def lock(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RepositoryError(f"{self.folder} cannot be written: {error}") from error
        try:
            self._wait_for(descriptor)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, holder().encode(), 0)
            self._sweep()
            yield
        finally:
            os.close(descriptor)  # which also unlocks

    def _wait_for(self, descriptor: int) -> None:
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= give_up_at:
                    other = os.pread(descriptor, 200, 0).decode(errors="replace")
                    raise RepositoryError(
                        f"{self.folder} is being written by {other or 'another publisher'}: "
                        "try again when it has ended"
                    ) from error
            time.sleep(_POLL_S)

    def _sweep(self) -> None:
        """Remove what killed publishers left; who holds the lock is the only one that writes."""
        for left in self.folder.rglob(f"{_TEMPORARY}*"):
            left.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content, 0o644)  # a web server runs as another user
        except OSError as error:
            raise RepositoryError(f"{path} cannot be written: {error}") from error


def holder() -> str:
    """Who holds a lock, for people."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file so that it is there whole or not at all, also after a loss of power."""
    descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
