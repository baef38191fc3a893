"""A lock between processes, by a file: the kernel's, so that it falls when its holder dies."""

import fcntl
import os
import time
from pathlib import Path

ASK_EVERY_S = 50e-6


class FileLock:
    """Excludes other processes, and other objects of this class, by a lock on a file."""

    def __init__(self, path: Path) -> None:
        """Raises: OSError: the file cannot be made."""
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

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

    def release(self) -> None:
        """Let the next one have it."""
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release it for good."""
        os.close(self._handle)
