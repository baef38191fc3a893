"""A home with a small fraud model, trained, and a release of a detector, published by commands.

With kernels of one thread, so that sums have one order and another set-up makes the same model.
"""

import shutil
from datetime import date
from pathlib import Path

import pytest

from tests.flows.command import command, done
from tests.once import made_once
from tests.threads import NAMES

ONE_THREAD = dict.fromkeys(NAMES, "1")


def training(day: date) -> tuple[str, ...]:
    """The words of its training, which are those of a run on that day."""
    small = ("--customers", "400", "--terminals", "4000", "--days", "60", "--train-days", "7")
    return ("flows.train_fraud", *small, "--run-date", day.isoformat())


PUBLICATION = (
    *("flows.publish_detector", "--model", "bundled", "--variant", "float32"),
    *("--scenes", "10", "--timing-s", "0.1"),
)


def put_small_home(factory: pytest.TempPathFactory, home: Path, day: date) -> None:
    """Copy it to where nothing is yet."""
    folder = made_once(factory, f"small-home-{day}", lambda folder: _make(folder, day))
    shutil.copytree(folder / "var", home)


def _make(folder: Path, day: date) -> None:
    folder.mkdir()
    done(
        *(
            command(flow, folder / "var", *words, environment=ONE_THREAD)
            for flow, *words in (training(day), PUBLICATION)
        )
    )
