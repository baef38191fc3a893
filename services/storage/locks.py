"""Locks between processes, by files: the kernel's, so that a lock falls when its holder dies.

The file stays. Two locks of one process exclude each other as well.
"""

import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

ASK_EVERY_S = 0.02
MAX_NOTE = 200  # bytes


class Held(Exception):
    """Another process holds the lock.

    Attributes:
        holder: what that process noted in the file; empty if it noted nothing.
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is held by {holder or 'another process'}")
        self.holder = holder


class FileLock:
    """A lock on a file, which is made if need be, or on a folder that is there."""

    def __init__(self, path: Path) -> None:
        """Open the file; the lock is not taken yet.

        Raises: OSError: the file cannot be made.
        """
        flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
        self._handle = os.open(path, flags | os.O_CLOEXEC, 0o644)

    def acquire(self, patience_s: float, ask_every_s: float = ASK_EVERY_S) -> bool:
        """Wait for the lock; whether it was got in time."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(ask_every_s)

    def share(self) -> None:
        """Hold the lock together with all others who share it."""
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def release(self) -> None:
        """Let the next one have it."""
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release it for good."""
        os.close(self._handle)

    def note(self, holder: str) -> None:
        """Write down who holds the lock; in a folder nothing can be noted."""
        with suppress(OSError):  # no space left, say: only the note is missing
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, holder.encode(), 0)

    def noted(self) -> str:
        """Who took the lock last, as far as that was noted."""
        try:
            return os.pread(self._handle, MAX_NOTE, 0).decode(errors="replace").strip()
        except OSError:  # a folder
            return ""


@contextmanager
def held(path: Path, patience_s: float = math.inf, note: str = "") -> Iterator[None]:
    """Hold the lock on a file or folder for a block.

    Args:
        patience_s: how long another holder is waited for.
        note: who holds it, for others; by default the number of this process.

    Raises:
        Held: another process held it all the time.
        OSError: the file cannot be made or locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(FileLock(path)) as lock:
        if not lock.acquire(patience_s):
            raise Held(path, lock.noted())
        lock.note(note or str(os.getpid()))
        yield
