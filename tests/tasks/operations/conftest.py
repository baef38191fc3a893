"""A home in which all panels have worked, made once per run of the tests."""

from pathlib import Path

import pytest

from tests.once import made_once
from tests.tasks.operations.worked import make_home


@pytest.fixture(scope="session")
def worked_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `worked`. Never write to it."""
    return made_once(tmp_path_factory, "worked-home", make_home)
