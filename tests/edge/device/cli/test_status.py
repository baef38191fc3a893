"""What `status`, `update` and `rollback` say to people and to programs."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from edge_detector.cli.status import rollback, status, update
from edge_detector.contract.limits import Limits
from edge_detector.errors import DownloadError, ModelError, NoModelError
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots
from edge_detector.updates.updates import Updates

from edge.release.repository.repository import Repository
from tests.edge.releases import Clock, make_release, make_repository


class Device:
    """A home with a repository beside it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.releases = folder / "releases"
        self.clock = Clock()
        self.slots = Slots(self.home, clock=self.clock)

    def updates(self, self_test=lambda _slot: None) -> Updates:
        return Updates(
            str(self.releases),
            self.home,
            limits=Limits(spare_bytes=0),
            slots=self.slots,
            clock=self.clock,
            self_test=self_test,
        )

    def status(self) -> str:
        return status(self.home)

    def report(self) -> dict[str, object]:
        report: dict[str, object] = json.loads(status(self.home, as_json=True))
        return report


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _handle: None)


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device(tmp_path)
    monkeypatch.setattr("edge_detector.cli.status.utc_now", device.clock)
    return device


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0"))
    return repository


def line(text: str, name: str) -> str:
    """The line of that name."""
    return next(row for row in text.splitlines() if row.startswith(f"{name} "))


def test_new_device_is_told_how_to_begin(device: Device):
    """And nothing is written by asking."""
    assert "edge-detector update --releases" in device.status()
    assert "never reached" in device.status()
    assert device.report()["current"] is None
    assert not device.home.exists()


def test_update_says_what_it_did(device: Device, repository: Repository):
    """The release, or why there is none to take."""
    assert update(device.updates()).startswith("parts 1.0.0 is installed")
    assert update(device.updates()) == "nothing to do: parts 1.0.0 is up to date"


def test_status_tells_the_release_and_where_it_is_from(device: Device, repository: Repository):
    """Version, digest, since when, the address and whom the device trusts."""
    update(device.updates())
    text = device.status()

    assert "parts 1.0.0 (int8, sha256 " in line(text, "current")
    assert "on probation" in line(text, "current")
    assert f"{device.releases}, channel stable" in line(text, "releases")
    assert repository.status().fingerprint in line(text, "trusts")
    device.slots.commit()
    assert "on probation" not in device.status()


@pytest.mark.parametrize(
    ("away", "spoken"),
    [
        (timedelta(seconds=1), "1 second ago"),
        (timedelta(seconds=59), "59 seconds ago"),
        (timedelta(minutes=5), "5 minutes ago"),
        (timedelta(hours=3, minutes=1, seconds=9), "3 hours 1 minute ago"),
        (timedelta(days=40, seconds=7), "40 days 7 seconds ago"),
        (timedelta(seconds=-3), "0 seconds ago"),
    ],
)
def test_status_says_for_how_long_the_device_has_been_alone(device, repository, away, spoken):
    """In units that people use; a clock that was set back a little is no riddle."""
    device.clock.now = device.clock.now.replace(microsecond=0)
    update(device.updates())
    device.clock.now += away

    assert f"last refreshed {spoken}" in line(device.status(), "updates")
    assert device.report()["offline_s"] == away.total_seconds()


def test_status_says_why_the_last_try_failed(device: Device, repository: Repository):
    """Until one succeeds."""
    update(device.updates())
    device.releases.rename(device.releases.with_name("gone"))
    with pytest.raises(DownloadError):
        update(device.updates())
    device.clock.move(minutes=2)

    assert "2 minutes ago, failed:" in device.status()
    assert str(device.releases) in str(device.report()["error"])

    device.releases.with_name("gone").rename(device.releases)
    update(device.updates())
    assert "failed" not in device.status()


def test_status_keeps_the_reason_of_a_refusal(device: Device, repository: Repository):
    """So that a publisher can be told."""

    def fail(_slot: Slot) -> None:
        raise ModelError("the self-test failed: no bolt")

    update(device.updates())
    repository.publish(make_release("1.1.0", model=b"bad"))
    with pytest.raises(ModelError):
        update(device.updates(fail))

    assert "parts 1.1.0: the self-test failed: no bolt" in line(device.status(), "refused")
    assert device.report()["refused"] == [
        {
            "name": "parts",
            "version": "1.1.0",
            "reason": "the self-test failed: no bolt",
            "at": device.clock().isoformat(timespec="seconds"),
        }
    ]


def test_rollback_says_where_it_went_and_what_is_refused(device, repository):
    """And status says the same afterwards."""
    update(device.updates())
    device.slots.commit()
    repository.publish(make_release("1.1.0", model=b"newer"))
    update(device.updates())

    text = rollback(device.home)

    assert text.startswith("back to parts 1.0.0; parts 1.1.0 will not be taken again")
    assert "parts 1.0.0" in line(device.status(), "current")
    assert "parts 1.1.0: rolled back by hand" in line(device.status(), "refused")
    with pytest.raises(NoModelError):
        rollback(device.home)


def test_update_after_a_rollback_says_what_is_refused_and_how_to_take_it(device, repository):
    """Not only that all is well: whoever has repaired something wants it back."""
    update(device.updates())
    device.slots.commit()
    repository.publish(make_release("1.1.0", model=b"newer"))
    update(device.updates())
    rollback(device.home)

    text = update(device.updates())

    (refusal,) = device.slots.state().refused.values()
    assert text == (
        "nothing to do: parts 1.0.0 is up to date; parts 1.1.0 was refused by this device, rolled"
        f" back by hand ({refusal.at}): `edge-detector update --again` takes it again"
    )
    assert "parts 1.1.0 was refused" in line(device.status(), "updates")
    assert "update --again" in line(device.status(), "refused")


def test_update_says_why_a_newer_release_is_not_taken(device, repository):
    """Refused by its self-test, withdrawn, or not for this device yet."""

    def fail(_slot: Slot) -> None:
        raise ModelError("the self-test failed: no bolt")

    update(device.updates())
    repository.publish(make_release("1.1.0", model=b"bad"))
    with pytest.raises(ModelError):
        update(device.updates(fail))
    assert "refused by this device, the self-test failed: no bolt" in update(device.updates())

    repository.withdraw("parts", "1.1.0", "misses nuts")
    assert "parts 1.1.0 was withdrawn (misses nuts)" in update(device.updates())

    repository.publish(make_release("1.2.0", model=b"newer"), share=0.0)
    assert "parts 1.2.0 is not meant for this device yet" in update(device.updates())


def test_status_describes_a_damaged_home_and_repairs_nothing(device, repository):
    """It names the file; whoever looks changes nothing."""
    update(device.updates())
    slot = device.slots.current()
    assert slot is not None
    slot.model_path.write_bytes(b"A model")
    before = (device.home / "state.json").read_bytes()

    assert "DAMAGED" in line(device.status(), "current")
    assert "model.tflite" in line(device.status(), "current")
    current = device.report()["current"]
    assert isinstance(current, dict) and "model.tflite" in current["damaged"]
    assert (device.home / "state.json").read_bytes() == before


@pytest.mark.parametrize("name", ["state.json", "updates.json", "trust/pin.json"])
def test_status_reads_whatever_it_finds(device: Device, repository: Repository, name):
    """Nonsense in a file is no reason for a traceback."""
    update(device.updates())
    (device.home / name).write_bytes(b"\xffnonsense")

    assert device.status() and device.report()


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("state.json", {"current": "abc", "previous": "a-b"}),
        ("updates.json", {"error": "no network", "tried_at": "yesterday"}),
    ],
)
def test_status_reads_entries_that_nobody_wrote(device, repository, name, entries):
    """A file that is whole but says odd things is shown as it is."""
    update(device.updates())
    path = device.home / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))

    assert device.status() and device.report()
    if name == "updates.json":
        assert "the last try failed: no network" in device.status()
    else:
        assert "abc, DAMAGED" in line(device.status(), "current")
        assert rollback_or_reason(device)


def rollback_or_reason(device: Device) -> str:
    """What a rollback says, done or not."""
    try:
        return rollback(device.home)
    except NoModelError as error:
        return str(error)


def test_report_for_programs_has_its_keys_on_every_device(device, repository):
    """Before the first update and after it, so that a program need not ask which."""
    before = device.report()
    update(device.updates())

    assert before.keys() == device.report().keys()
    assert datetime.fromisoformat(str(device.report()["refreshed_at"]))
