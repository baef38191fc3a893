"""Files and folders that one process at a time works on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_detector.errors import EdgeError
from edge_detector.system.locks import FileLock

from edge.release.errors import ModelFileError


@contextmanager
def alone(place: Path, busy: str) -> Iterator[None]:
    """Hold a file, which is made if need be, or a folder that is there.

    Args:
        place: what other processes hold too.
        busy: what another holder does, for the message: "works in …".

    Raises:
        ModelFileError: another process holds it, or it cannot be held.
    """
    lock = FileLock(place)
    try:
        taken = lock.acquire(patience_s=0)
    except EdgeError as error:
        raise ModelFileError(f"{place} cannot be locked: {error}") from error
    if not taken:
        holder = lock.holder()
        raise ModelFileError(
            f"{f'process {holder}' if holder else 'another process'} {busy}; try again later"
        )
    try:
        yield
    finally:
        lock.release()
