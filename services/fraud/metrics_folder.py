"""The folder in which the workers of one server put their metrics, and who may delete it.

Each server has its own. It is in use while somebody holds a lock on it, in whichever container
and under whatever number; what nobody holds was left by a server that has ended, and is removed
by the next one that starts.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

LOCK = "in-use.lock"


class MetricsFolder:
    """A claim on a server's folder, until it is released or the process ends."""

    def __init__(self, home: Path, server: str) -> None:
        """Make the folder of a server, or join those who hold it; remove what nobody holds.

        Raises: OSError: the home folder cannot be written.
        """
        every = home / "fraud" / "metrics"
        self.path = every / server
        with _one_at_a_time(every):
            self.path.mkdir(exist_ok=True)
            self._held = (self.path / LOCK).open("a")
            fcntl.flock(self._held, fcntl.LOCK_SH)
            for other in every.iterdir():
                if other.is_dir() and other != self.path and not _is_held(other):
                    shutil.rmtree(other, ignore_errors=True)

    def release(self) -> None:
        """Hold it no longer."""
        self._held.close()


@contextmanager
def _one_at_a_time(every: Path) -> Iterator[None]:
    """Nobody looks while a folder is there and not held yet."""
    every.mkdir(parents=True, exist_ok=True)
    with (every / LOCK).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_held(folder: Path) -> bool:
    try:
        handle: IO[str] = (folder / LOCK).open("r")
    except FileNotFoundError:
        return _is_of_older_version(folder.name)
    except OSError:
        return True  # of another user, say: not ours to delete
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def _is_of_older_version(name: str) -> bool:
    """Whether a server that runs has this folder by its number and start, and holds no lock."""
    number, _, start = name.partition("-")
    try:
        return start == f"{psutil.Process(int(number)).create_time():.0f}"
    except (psutil.Error, ValueError):
        return False
