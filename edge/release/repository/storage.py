"""Where a repository lies: what it needs of the place, and a folder as one (see `bucket`).

Names are relative paths with slashes. A file is there whole or not at all, whenever its writer is
killed, and no reader sees half of one. Files are created once and never change, but for the one
that `replace` is used on. Old files stay, so that a reader who began before a change can finish.

Publishers keep each other out by a lock. In a folder it is the operating system's, on the file
`.lock`: it ends with the process that holds it, however that ends.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from edge.release.errors import RepositoryError
from services.storage.files import ASIDE, write_bytes
from services.storage.locks import Held, held

LOCK = ".lock"
PATIENCE_S = 60.0  # how long to wait for another publisher


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
        with ExitStack() as stack:
            try:
                stack.enter_context(held(self.folder / LOCK, self._patience_s, note=holder()))
            except Held as error:
                raise RepositoryError(
                    f"{self.folder} is being written by {error.holder or 'another publisher'}: "
                    "try again when it has ended"
                ) from error
            except OSError as error:
                raise RepositoryError(f"{self.folder} cannot be written: {error}") from error
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what killed publishers left; who holds the lock is the only one that writes."""
        for left in self.folder.rglob(f"{ASIDE}*"):
            left.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        try:
            write_bytes(path, content, 0o644)  # a web server runs as another user
        except OSError as error:
            raise RepositoryError(f"{path} cannot be written: {error}") from error


def holder() -> str:
    """Who holds a lock, for people."""
    return f"process {os.getpid()} on {socket.gethostname()}"
