"""A home in which all panels have worked."""

import shutil
from pathlib import Path

import pytest

from tests.once import made_once
from tests.tasks.operations.worked import make_home


@pytest.fixture
def worked_home(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """See `worked`. A copy that a test may change.

    The one that is made, once per run of the tests, is opened by nobody: who but reads a database
    of SQLite makes files beside it, which are gone when another process copies them.
    """
    return shutil.copytree(made_once(tmp_path_factory, "worked-home", make_home), tmp_path / "var")
