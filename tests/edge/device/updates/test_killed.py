"""Killed or without power at any moment of an update, a device starts with a whole model."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge.releases import make_release, make_repository

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
OLD = ["1.0.0", "the old model"]
NEW = ["1.1.0", "the new model"]
STEPS = {  # the least that there must be, or else the test looks at nothing
    "started",
    "trust: refreshed",
    "chosen",
    "manifest read",
    "fetching model.tflite",
    "fetching golden-0.png",
    "fetched",
    "slot: on the disk",
    "slot: renamed",
    "self-test",
    "self-test passed",
    "state.json: written beside",
    "state.json: renamed",
    "activated",
}
RANDOM_MOMENTS = 20


class Device:
    """Processes on a home, one after the other."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, releases: Path) -> None:
        self._process = process
        self._folder = folder
        self._releases = releases
        self.home = folder / "home"

    def do(self, what: str, **task: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        task = {"do": what, "home": str(self.home), "releases": str(self._releases), **task}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def update(self, **task: Any) -> list[str]:
        """The steps of an update that goes through."""
        answer = self.do("update", **task)
        assert isinstance(answer["result"], list), answer
        steps: list[str] = answer["result"]
        return steps

    def start(self, **task: Any) -> list[str] | None:
        """The model that the next process starts with."""
        answer = self.do("start", **task)
        assert not isinstance(answer["result"], dict), answer
        model: list[str] | None = answer["result"]
        return model

    def reset(self, before: Path | None) -> None:
        """Back to a home as it was before."""
        shutil.rmtree(self.home, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, self.home, symlinks=True)


@pytest.fixture(scope="module")
def process() -> Iterator["subprocess.Popen[str]"]:
    """The one that all others are forked from."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.edge.device.killable"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the publisher, whose power is not cut; the device's processes see to their own."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture
def device(process: "subprocess.Popen[str]", tmp_path: Path) -> Device:
    """Its repository has a new release; the home is empty."""
    repository = make_repository(tmp_path)
    repository.publish(make_release(OLD[0], model=OLD[1].encode()))
    device = Device(process, tmp_path, tmp_path / "releases")
    device.update()
    assert device.start(commit=True) == OLD
    device.home.rename(tmp_path / "before")
    repository.publish(make_release(NEW[0], model=NEW[1].encode()))
    return device


@pytest.fixture(params=["first release", "next release"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """The home before the update: none, or one with the old release."""
    return None if request.param == "first release" else tmp_path / "before"


@pytest.mark.parametrize("power_cut", [False, True], ids=["killed", "power cut"])
def test_killed_at_every_step_of_an_update_a_device_has_a_whole_model(device, before, power_cut):
    """The old one or the new one; and the next update brings the new one."""
    device.reset(before)
    steps = device.update()
    assert set(steps) >= STEPS and device.start() == NEW
    boot = "boot 2" if power_cut else "boot 1"

    for number, step in enumerate(steps):
        device.reset(before)
        answer = device.do("update", die_at=number, power_cut=power_cut)
        assert answer["killed"], step

        model = device.start(boot=boot)

        assert model in ([OLD, NEW] if before else [None, NEW]), step
        if step in ("activated", steps[-1]):
            assert model == NEW, step
        device.update(boot=boot)
        assert device.start(boot=boot) == NEW, step


@pytest.mark.parametrize("boot", ["boot 1", "boot 2"], ids=["killed", "power cut"])
def test_run_killed_at_every_step_of_its_own_update_starts_again(device, tmp_path, boot):
    """Killed after it took the new release over, it starts with the old one: that was a crash."""
    device.reset(tmp_path / "before")
    steps = device.update(running=True)
    taken_over = len(steps) - steps[::-1].index("state.json: renamed") - 1

    for number, step in enumerate(steps):
        device.reset(tmp_path / "before")
        assert device.do("update", running=True, die_at=number)["killed"], step

        model = device.start(boot=boot)

        new = number >= taken_over and boot == "boot 2"
        assert model == (NEW if new else OLD), step


@pytest.mark.parametrize("seed", range(RANDOM_MOMENTS))
def test_killed_at_a_random_moment_a_device_has_a_whole_model(device, tmp_path, seed):
    """Wherever it is then, also between two steps."""
    before = random.Random(seed).choice([None, tmp_path / "before"])
    device.reset(before)
    began = time.monotonic()
    device.update()
    duration_s = time.monotonic() - began
    device.reset(before)

    device.do("update", die_after_s=random.Random(seed).uniform(0, duration_s))

    assert device.start() in ([OLD, NEW] if before else [None, NEW])
    device.update()
    assert device.start() == NEW


def test_device_killed_again_and_again_comes_to_its_release(device: Device, tmp_path: Path):
    """Each try dies one step later than the last one; all of them leave a whole model."""
    device.reset(tmp_path / "before")
    steps = len(device.update())
    device.reset(tmp_path / "before")

    for number in range(steps):
        device.do("update", die_at=number, power_cut=number % 2 == 0)
        assert device.start() in (OLD, NEW), number

    device.update()
    assert device.start() == NEW
    assert len(list((device.home / "slots").glob("*"))) <= 2
