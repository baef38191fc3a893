"""The tests are the same whatever whoever runs them has set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = {
    "TRIPTYCH_DATABASE_URL": "postgresql+psycopg://mine",
    "TRIPTYCH_API_KEYS": "a-key-of-16-or-more",
    "BENTOML_HOME": "/mine",
    "PROMETHEUS_MULTIPROC_DIR": "/mine",
}


def left() -> set[str]:
    return SETTINGS.keys() & os.environ.keys()


@pytest.fixture(scope="session")
def left_for_the_session() -> set[str]:
    return left()


@pytest.fixture(scope="module")
def left_for_the_module() -> set[str]:
    return left()


def test_no_setting_is_seen(left_for_the_session, left_for_the_module):
    """Neither by a test, nor by what it shares with others."""
    assert left_for_the_session | left_for_the_module | left() == set()


@pytest.mark.slow
def test_settings_of_who_runs_the_tests_are_not_seen():
    """A fixture would write into their database, and their store of models."""
    this = f"{Path(__file__)}::{test_no_setting_is_seen.__name__}"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist", this],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout
