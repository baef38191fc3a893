"""What several tests need is made once per run, by whichever test process asks first."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.storage.locks import held


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The path of a file or folder in this run's temporary folder. Never write to it.

    make: told where to put it; it is there whole, or not at all.
    """
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # it has a folder in the one of the run
        folder = folder.parent
    path = folder / name
    with held(folder / f"{name}.lock"):
        if not path.exists():
            unfinished = path.with_name(f"unfinished-{name}")
            shutil.rmtree(unfinished, ignore_errors=True)  # of a process that could not make it
            make(unfinished)
            unfinished.rename(path)
    return path
