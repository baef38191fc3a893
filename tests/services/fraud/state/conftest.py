"""States of the tests lie in memory where there is room: a process that is killed finds the same
there as on a disk, and nothing waits for one.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.fraud.state import history

MEMORY = Path("/dev/shm")
ROOM = 2**30  # bytes


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """An empty folder."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="fraud-state-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load leaves nobody time to answer between two transactions: nobody else asks."""
    monkeypatch.setattr(history, "PAUSE_S", 0)
