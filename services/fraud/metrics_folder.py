"""The folder in which the workers of one server put their metrics, and who may delete it.

Each server has its own. It is in use while somebody holds a lock on it, in whichever container
and under whatever number; what nobody holds was left by a server that has ended, and is removed
by the next one that starts.
"""

import shutil
from contextlib import closing
from pathlib import Path

import psutil

from services.storage.locks import FileLock, held

LOCK = "in-use.lock"


class MetricsFolder:
    """A claim on a server's folder, until it is released or the process ends."""

    def __init__(self, home: Path, server: str) -> None:
        """Make the folder of a server, or join those who hold it; remove what nobody holds.

        Raises: OSError: the home folder cannot be written.
        """
        every = home / "fraud" / "metrics"
        self.path = every / server
        with held(every / LOCK):  # nobody looks while a folder is there and not held yet
            self.path.mkdir(exist_ok=True)
            self._lock = FileLock(self.path / LOCK)
            self._lock.share()
            for other in every.iterdir():
                if other.is_dir() and other != self.path and not _is_held(other):
                    shutil.rmtree(other, ignore_errors=True)

    def release(self) -> None:
        """Hold it no longer."""
        self._lock.close()


def _is_held(folder: Path) -> bool:
    if not (folder / LOCK).exists():
        return _is_of_older_version(folder.name)
    try:
        with closing(FileLock(folder / LOCK)) as lock:
            return not lock.acquire(patience_s=0)
    except OSError:
        return True  # of another user, say: not ours to delete


def _is_of_older_version(name: str) -> bool:
    """Whether a server that runs has this folder by its number and start, and holds no lock."""
    number, _, start = name.partition("-")
    try:
        return start == f"{psutil.Process(int(number)).create_time():.0f}"
    except (psutil.Error, ValueError):
        return False
