"""Promises of a whole `run` in this process, about when it ends."""

import io
import signal

import pytest
from edge_detector.cli import run as run_module
from edge_detector.cli.config import read_config
from edge_detector.cli.progress import Progress
from edge_detector.slots.slots import Slots
from edge_detector.system import locks

from tests.edge.device.installed import install_tiny, write_clip

PATIENCE_S = 0.5  # that a lock which nobody gives back is waited for


@pytest.mark.parametrize("acquired", range(1, 6))
def test_signal_between_any_two_lines_leaves_no_lock_behind(acquired, tmp_path, monkeypatch):
    """A signal that comes when a lock has just been got ends the run, which then needs the lock."""
    home = tmp_path / "home"
    Slots(home).activate(install_tiny(home, activate=False))
    acquire = locks.FileLock.acquire
    count = 0

    def acquire_and_signal(lock, patience_s, waiting=""):
        nonlocal count
        got = acquire(lock, min(patience_s, PATIENCE_S), waiting)
        count += 1
        if count == acquired:
            signal.raise_signal(signal.SIGTERM)
        return got

    monkeypatch.setattr(locks.FileLock, "acquire", acquire_and_signal)
    clip = write_clip(tmp_path / "clip.avi")
    config = read_config({"home": str(home), "source": str(clip), "headless": True})

    summary = run_module.run(config, Progress(io.StringIO()))

    assert count >= acquired
    assert summary == "" or " frames in " in summary
    assert Slots(home).begin_run() is not None
    probation = Slots(home).state().probation
    assert probation is not None
    assert probation.crashes == 0
