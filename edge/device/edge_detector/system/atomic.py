"""Files that are there whole or not at all, also after a power cut.

Written beside, brought to the disk, renamed, and the folder brought to the disk. There is one
writer at a time: who calls holds a lock.
"""

import os
from collections.abc import Callable
from pathlib import Path

Step = Callable[[str], None]


def no_step(_name: str) -> None:
    """The default of every `step`: tests stop the process at steps, all others go on."""


def replace_file(path: Path, content: bytes, step: Step = no_step) -> None:
    """Put a file in the place of what was there.

    Raises:
        OSError: nothing has changed.
    """
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    step(f"{path.name}: written beside")
    beside.replace(path)
    step(f"{path.name}: renamed")
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
