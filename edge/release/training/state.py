"""The folder of a training: one process at a time works in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.release.exclusive import alone


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if need be.

    Raises:
        ModelFileError: another process trains the same at the moment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "training.lock", f"trains the same at the moment, in {folder}"):
        yield
