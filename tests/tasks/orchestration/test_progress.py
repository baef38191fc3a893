"""Promises of the progress of a run."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from services.fraud.training import candidate
from tasks.orchestration import progress
from tasks.train_fraud import train


@pytest.fixture
def shown(monkeypatch):
    """The percentages that the UI gets to see."""
    shown: list[float] = []
    monkeypatch.setattr(
        progress, "create_progress_artifact", lambda percent, **_: shown.append(percent)
    )
    monkeypatch.setattr(
        progress, "update_progress_artifact", lambda _, percent, __: shown.append(percent)
    )
    monkeypatch.setattr(progress, "ARTIFACT_EVERY_S", 0.0)
    return shown


def test_progress_begins_where_the_work_goes_on(shown):
    """A resumed training of 10 steps is at 30 % from the first moment."""
    with progress.resumed_progress("key", "training", "steps") as reach:
        assert shown == []
        for done in range(3, 11):
            reach(done, 10)
    assert shown == [30, 40, 50, 60, 70, 80, 90, 100, 100]


def test_progress_that_is_cut_short_tells_how_far_it_came(shown):
    """And an error before the first step leaves none."""
    with (
        pytest.raises(KeyboardInterrupt),
        progress.resumed_progress("key", "training", "steps") as reach,
    ):
        reach(1, 4)
        reach(2, 4)
        raise KeyboardInterrupt
    assert shown[-1] == 50
    with (
        pytest.raises(ValueError),
        progress.resumed_progress("key", "training", "steps"),
    ):
        raise ValueError
    assert len(shown) == 3


def test_training_that_takes_fewer_passes_than_announced_ends_at_the_whole(shown, monkeypatch):
    """As it does on few rows, where it may begin as the regression."""

    def take_eight(*_: object, show: Callable[[int], None], **__: object) -> None:
        for done in range(1, 9):
            show(done)

    monkeypatch.setattr(candidate, "make_candidate", take_eight)
    folder = SimpleNamespace(data=lambda _: SimpleNamespace(train=np.ones(100)), candidate=None)
    job: Any = SimpleNamespace(folder=folder, periods=None, seed=0, alerts_per_day=1)
    train.fn(job)
    assert (shown[7], shown[-1]) == (35, 100)
