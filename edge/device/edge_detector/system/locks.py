"""Locks between processes: the kernel holds them for a process, and they fall when it dies.

Each lock is a file that stays; in it stands who took it last. Two locks of one process exclude
each other as well. Where the file is missing and cannot be made, on a read-only home, there is
nothing that two processes could spoil either: then all get the lock.
"""

import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_detector.errors import ConfigError, EdgeError

try:
    import fcntl
except ImportError as error:  # a hint instead of a riddle
    raise ImportError("edge_detector runs on Linux and macOS, not on Windows") from error

ASK_EVERY_S = 0.02

logger = logging.getLogger(__name__)


class BusyError(EdgeError):
    """Another process is at work on the same home; it may work later."""


class FileLock:
    """A lock on a file, from `acquire` to `release`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self, patience_s: float, waiting: str = "") -> bool:
        """Wait for the lock; whether it was got in time.

        waiting: what to log if it is not free at once.

        Raises:
            ConfigError: the file cannot be made or locked.
        """
        handle = _open(self._path)
        if handle is None:
            return True
        deadline = time.monotonic() + patience_s
        try:
            while not _try(handle, self._path):
                if time.monotonic() >= deadline:
                    os.close(handle)
                    return False
                if waiting:
                    logger.info("%s (process %s): waiting", waiting, self.holder() or "unknown")
                    waiting = ""
                time.sleep(ASK_EVERY_S)
        except BaseException:
            with suppress(OSError):
                os.close(handle)
            raise
        with suppress(OSError):  # read-only, or no space left: only the note is missing
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle
        return True

    def release(self) -> None:
        """Let others have it; nothing happens if it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def holder(self) -> str:
        """The id of the process that took it last; empty if that is not known."""
        with suppress(OSError):
            return self._path.read_bytes()[:20].decode("ascii", "replace").strip()
        return ""


@contextmanager
def locked(path: Path, patience_s: float, what: str) -> Iterator[None]:
    """Hold a lock for a block; what: what its holder does, for messages.

    Raises:
        BusyError: another process held it all the time.
        ConfigError: the file cannot be made or locked.
    """
    lock = FileLock(path)
    if not lock.acquire(patience_s, waiting=what):
        raise BusyError(
            f"{what} (process {lock.holder() or 'unknown'}), and has not ended in"
            f" {patience_s:g} s: try again later"
        )
    try:
        yield
    finally:
        lock.release()


def _open(path: Path) -> int | None:
    """A handle on the lock's file, made with its folder where it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        with suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if path.parent.is_dir():
            logger.debug("no lock %s: %s", path, error)
            return None
        raise ConfigError(
            f"cannot make the folder {path.parent}: {error.strerror};"
            " make it writable, or give another one with --home"
        ) from error


def _try(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
            return False
        raise ConfigError(
            f"files in {path.parent} cannot be locked ({error.strerror}):"
            " give a folder on a local disk with --home"
        ) from error
    return True
