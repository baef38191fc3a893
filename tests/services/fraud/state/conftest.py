"""States of the tests lie in memory where there is room: a process that is killed finds the same
there as on a disk, and nothing waits for one.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.fraud.state.in_file import busy_keys, coverage, history, state_file
from services.fraud.state.in_postgres import schema
from tests.services.fraud.driven import Driven, FilePlace, Place, PostgresPlace

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


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a state may lie, once of each kind; there is none yet."""
    if request.param == "file":
        return FilePlace(tmp_path / "fraud" / "state.db")
    return PostgresPlace(request.getfixturevalue("fresh_postgres_url"))


@pytest.fixture
def state(place: Place) -> Iterator[Driven]:
    """An empty state, once of each kind."""
    with closing(place.open()) as state:
        yield state


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load leaves nobody time to answer between two transactions: nobody else asks."""
    monkeypatch.setattr(history, "PAUSE_S", 0)


@pytest.fixture
def keys_are_busy_soon() -> Iterator[None]:
    """With four transactions, three of them in one second, so that small histories have all."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (busy_keys, schema):
            patch.setattr(module, "MOST_ROWS", 3)
            patch.setattr(module, "LOOK_EVERY", 1)
            patch.setattr(module, "MOST_IN_SECOND", 2)
        steps = (*state_file._STEPS[:2], busy_keys.schema() + coverage.SCHEMA)
        patch.setattr(state_file, "_STEPS", steps)
        yield
