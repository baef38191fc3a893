"""The folder of a training: one process at a time works in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_detector.locks import FileLock

from edge.release.errors import ModelFileError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if need be.

    Raises:
        ModelFileError: another process trains the same at the moment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "training.lock")
    if not lock.acquire(patience_s=0):
        raise ModelFileError(
            f"process {lock.holder() or 'unknown'} trains the same at the moment, in {folder}"
        )
    try:
        yield
    finally:
        lock.release()
