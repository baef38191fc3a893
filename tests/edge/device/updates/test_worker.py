"""The worker: releases come to a running device by themselves; trouble stays in the thread."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from edge_detector.contract.limits import Limits
from edge_detector.errors import DownloadError, ModelError
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots
from edge_detector.updates.updates import Updates
from edge_detector.updates.worker import UpdateWorker

from tests.edge.device.misbehaving import server, silence
from tests.edge.releases import make_release, make_repository, open_repository

SOON_S = 20.0  # at most; each of these takes a moment


class Run:
    """A `run` as its loop sees it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.slots = Slots(self.home)
        self.came: queue.Queue[Slot] = queue.Queue()
        self.tried = threading.Event()

    def updates(self, releases: object, self_test=lambda _slot: None) -> Updates:
        return Updates(
            str(releases),
            self.home,
            limits=Limits(spare_bytes=0),
            slots=self.slots,
            self_test=self_test,
        )

    @contextmanager
    def worker(self, updates: Updates, every_s: float = 900.0) -> Iterator[UpdateWorker]:
        worker = UpdateWorker(updates, self.came.put, every_s)
        with worker:
            yield worker
        assert not worker._thread.is_alive()

    def next_version(self) -> str:
        return self.came.get(timeout=SOON_S).manifest.version


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _handle: None)


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_detector.updates.worker.POLL_S", 0.02)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    make_repository(tmp_path).publish(make_release("1.0.0"))
    return Run(tmp_path)


def test_first_release_comes_at_once_and_its_probation_has_begun(run: Run, tmp_path: Path):
    """A crash from here on is its fault."""
    with run.worker(run.updates(tmp_path / "releases")):
        assert run.next_version() == "1.0.0"
    probation = run.slots.state().probation
    assert probation is not None and probation.boot_id is not None


def test_later_release_comes_with_a_later_look(run: Run, tmp_path: Path):
    """As often as asked for."""
    with run.worker(run.updates(tmp_path / "releases"), every_s=0.05):
        assert run.next_version() == "1.0.0"
        open_repository(tmp_path).publish(make_release("1.1.0"))
        assert run.next_version() == "1.1.0"


def test_zero_looks_once(run: Run, tmp_path: Path, monkeypatch):
    """At the start, and never again."""
    looks = []
    updates = run.updates(tmp_path / "releases")
    monkeypatch.setattr(updates, "update", lambda running: looks.append(running))
    with run.worker(updates, every_s=0.0) as worker:
        worker._stopped.wait(0.3)
    assert looks == [True]


@pytest.mark.parametrize("command", ["update", "rollback"])
def test_what_another_process_does_is_followed(run: Run, tmp_path: Path, command):
    """`update` and `rollback` take effect in a running device, without a restart."""
    run.updates(tmp_path / "releases").update()
    run.slots.commit()
    if command == "rollback":
        open_repository(tmp_path).publish(make_release("1.1.0"))
        run.updates(tmp_path / "releases").update()
        run.slots.commit()
    with run.worker(run.updates(tmp_path / "releases")):
        if command == "update":
            open_repository(tmp_path).publish(make_release("1.1.0"))
            Updates(
                str(tmp_path / "releases"),
                run.home,
                limits=Limits(spare_bytes=0),
                self_test=lambda _slot: None,
            ).update()
            assert run.next_version() == "1.1.0"
            probation = run.slots.state().probation
            assert probation is not None and probation.boot_id is not None
        else:
            Slots(run.home).rollback()
            assert run.next_version() == "1.0.0"


def test_trouble_is_told_once_and_looked_at_again(run: Run, tmp_path: Path, caplog, monkeypatch):
    """Offline for weeks is one line in the log; then it works again, and that is one more."""
    monkeypatch.setattr("edge_detector.updates.worker.RETRY_S", 0.0)
    failures = [DownloadError("no network")] * 3 + [ValueError("a bug")]
    updates = run.updates(tmp_path / "releases")
    really_update = updates.update

    def update(*, running: bool) -> Slot | None:
        if failures:
            raise failures.pop()
        return really_update(running=running)

    monkeypatch.setattr(updates, "update", update)
    caplog.set_level("INFO", "edge_detector.updates.worker")
    with run.worker(updates):
        assert run.next_version() == "1.0.0"
    assert caplog.text.count("no network") == 1
    assert caplog.text.count("not foreseen") == 1
    assert "updates work again" in caplog.text


def test_refused_release_leaves_the_device_as_it_was(run: Run, tmp_path: Path, caplog):
    """The loop hears nothing of it."""
    tried = threading.Event()

    def fail(_slot: Slot) -> None:
        tried.set()
        raise ModelError("the self-test failed: no bolt")

    with run.worker(run.updates(tmp_path / "releases", self_test=fail), every_s=0.05) as worker:
        assert tried.wait(SOON_S)
        worker._stopped.wait(0.3)
    assert run.came.empty()
    assert caplog.text.count("no bolt") == 1


def test_loop_that_fails_to_take_a_release_over_does_not_end_the_updates(
    run: Run, tmp_path: Path, caplog, monkeypatch
):
    """The next one may be better."""
    monkeypatch.setattr("edge_detector.updates.worker.RETRY_S", 0.0)
    came: queue.Queue[str] = queue.Queue()

    def take(slot: Slot) -> None:
        came.put(slot.manifest.version)
        raise RuntimeError("no memory left")

    updates = run.updates(tmp_path / "releases")
    with UpdateWorker(updates, take, 0.05):
        assert came.get(timeout=SOON_S) == "1.0.0"
        open_repository(tmp_path).publish(make_release("1.1.0"))
        assert came.get(timeout=SOON_S) == "1.1.0"
    assert "no memory left" in caplog.text


def test_worker_ends_in_the_middle_of_a_download(run: Run):
    """A server that says nothing does not keep the device from ending."""
    with server(silence) as (url, talk), run.worker(run.updates(url)):
        while not talk.requests:
            assert not talk.over.wait(0.01)
    assert run.came.empty()


def test_worker_that_was_not_started_can_be_stopped(run: Run, tmp_path: Path):
    """As often as one likes."""
    worker = UpdateWorker(run.updates(tmp_path / "releases"), run.came.put)
    worker.stop()
    worker.stop()
