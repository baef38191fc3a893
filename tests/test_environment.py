"""The tests are the same whatever whoever runs them has set, and whatever other tests have left."""

import gc
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


class Told:
    """Garbage that says where it was collected."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._circle = pipe, self

    def __del__(self) -> None:
        os.write(self._pipe, f"{os.getpid()} ".encode())


def test_fork_does_not_collect_what_its_parent_has_left():
    """TensorFlow's functions abort a process that was forked and does."""
    reader, writer = os.pipe()
    gc.collect()
    gc.disable()
    try:
        Told(writer)
        child = os.fork()
        if child == 0:
            gc.collect()
            os._exit(0)
        _, status = os.waitpid(child, 0)
    finally:
        gc.enable()
    gc.collect()
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert (status, pipe.read().split()) == (0, [str(os.getpid())])
