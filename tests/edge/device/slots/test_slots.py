"""Slots: a device always has a whole model to run, and knows which one."""

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest
from edge_detector.errors import ConfigError, NoModelError, ReleaseError
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots
from edge_detector.slots.state import (
    CRASHED,
    MAX_CRASHES,
    MAX_POWER_CUTS,
    RESTARTED,
    Probation,
    State,
)
from edge_detector.system.locks import BusyError

from tests.edge.releases import install, make_release

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Machine:
    """A device that can be restarted: each boot has an id of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.boots = 1

    def slots(self) -> Slots:
        """As a new process finds them."""
        return Slots(self.home, boot=lambda: f"boot {self.boots}", clock=lambda: NOON)

    def install(self, version: str) -> Slot:
        release = make_release(version, model=f"model {version}".encode())
        return install(self.slots(), release.manifest, release.files)

    def activate(self, version: str, *, commit: bool = True) -> Slot:
        slot = self.install(version)
        self.slots().activate(slot)
        if commit:
            self.slots().commit()
        return slot

    def crash(self) -> None:
        """A run opens its model, and dies: the kernel lets go of its lock."""
        slots = self.slots()
        slots.begin_run()
        slots.begin_probation()
        slots._run_lock.release()

    def power_cut(self) -> None:
        self.crash()
        self.boots += 1


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks are slow, and it is processes that end in tests, not disks."""
    monkeypatch.setattr("os.fsync", lambda _handle: None)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "home")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = (flip_a_byte, remove, truncate, put_a_folder)


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, the disk of the home is read-only, also for root."""
    really_open = os.open

    def fail(*_args: object, **_options: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open_to_read(path: Path, flags: int, *mode: int, **options: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            fail()
        return really_open(path, flags, *mode, **options)

    def freeze() -> None:
        monkeypatch.setattr("edge_detector.system.locks.os.open", open_to_read)
        for name in ("pointer.replace_file", "slot_store.tempfile.mkdtemp", "slot_store.os.utime"):
            monkeypatch.setattr(f"edge_detector.slots.{name}", fail)

    return freeze


def probation_of(slots: Slots) -> Probation:
    """How the current slot does."""
    probation = slots.state().probation
    assert probation is not None
    return probation


class TestInstall:
    def test_slot_holds_the_release_under_a_name_that_tells_it(self, machine: Machine):
        """Name, version and the manifest's digest; the model and the pictures are inside."""
        slot = machine.install("1.0.0")

        assert slot.id.startswith("parts-1.0.0-") and len(slot.id) == len("parts-1.0.0-") + 12
        assert slot.release == "parts 1.0.0"
        assert slot.model_path.read_bytes() == b"model 1.0.0"
        assert (slot.folder / "golden-0.png").read_bytes() == b"a picture"
        assert stat.S_IMODE(slot.folder.stat().st_mode) == 0o755

    def test_installing_does_not_run_anything(self, machine: Machine):
        """What is installed is not current: it has still to pass its self-test."""
        machine.install("1.0.0")

        assert machine.slots().current() is None
        assert machine.slots().begin_run() is None

    @pytest.mark.parametrize("name", ["model.tflite", "golden-0.png"])
    def test_files_that_are_not_as_the_manifest_says_are_refused(self, machine, name):
        """One byte is enough; nothing is left of it."""
        release = make_release()
        files = {**release.files, name: b"another"}

        with pytest.raises(ReleaseError, match=name):
            install(machine.slots(), release.manifest, files)

        assert list((machine.home / "slots").iterdir()) == []

    def test_missing_file_is_refused(self, machine: Machine):
        """The message says which."""
        with pytest.raises(ReleaseError, match=r"golden-0\.png"):
            install(machine.slots(), make_release().manifest, {"model.tflite": b"a model"})

    def test_installing_again_is_harmless(self, machine: Machine):
        """The same slot, once."""
        assert machine.install("1.0.0") == machine.install("1.0.0")
        assert len(machine.slots().store.ids()) == 1

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_installing_again_repairs_a_damaged_slot(self, machine: Machine, damage):
        """A decayed file is replaced, and nothing else is left behind."""
        slot = machine.install("1.0.0")
        damage(slot.model_path)

        machine.install("1.0.0")

        with machine.slots().updating(1):
            assert machine.slots().store.read(slot.id) == slot
            assert list(slot.folder.parent.iterdir()) == [slot.folder]

    def test_home_that_cannot_be_written_is_named(self, machine: Machine, read_only):
        """With what to do about it."""
        read_only()
        with pytest.raises(ConfigError, match="--home"):
            machine.install("1.0.0")

    def test_home_below_a_file_is_named(self, tmp_path: Path):
        """It cannot be made."""
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match=r"cannot make the folder .*file/home"):
            Slots(tmp_path / "file" / "home").current()


class TestCurrent:
    def test_new_home_has_none_and_is_not_made(self, machine: Machine):
        """A look at nothing leaves nothing but the lock's folder."""
        assert machine.slots().state() == State()
        assert not machine.home.exists()
        assert machine.slots().current() is None

    @pytest.mark.parametrize("damage", DAMAGES)
    @pytest.mark.parametrize("name", ["model.tflite", "manifest.json", "golden-0.png"])
    def test_damaged_slot_is_noticed_and_the_previous_one_is_taken(self, machine, name, damage):
        """Whatever happened to whichever file."""
        old, new = machine.activate("1.0.0"), machine.activate("1.1.0")
        damage(new.folder / name)

        assert machine.slots().current() == old
        assert machine.slots().begin_run() == old
        assert machine.slots().state().refused == {}, "its release may be fetched again"

    def test_both_damaged_says_what_to_do(self, machine: Machine):
        """And not that the device is new."""
        for version in ("1.0.0", "1.1.0"):
            flip_a_byte(machine.activate(version).model_path)

        for _ in range(2):
            with pytest.raises(NoModelError, match=r"has changed.*edge-detector update"):
                machine.slots().current()

    def test_run_without_a_whole_model_can_fetch_one(self, machine: Machine, caplog):
        """It has the home, knows that it has no model, and says why."""
        flip_a_byte(machine.activate("1.0.0").model_path)

        assert machine.slots().begin_run() is None
        assert "has changed" in caplog.text

    def test_failed_start_lets_go_of_the_home(self, machine: Machine, monkeypatch):
        """A run that could not begin keeps no other one out."""
        only = machine.activate("1.0.0")
        with monkeypatch.context() as patches:
            patches.setattr("edge_detector.slots.slots.settle", lambda *_arguments: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                machine.slots().begin_run()

        assert machine.slots().begin_run() == only

    @pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff\x00", b'{"format": 2}'])
    def test_lost_pointer_is_no_loss_of_the_model(self, machine: Machine, content):
        """The slot that was activated last is found by itself."""
        machine.activate("1.0.0")
        new = machine.activate("1.1.0")
        pointer = machine.home / "state.json"
        pointer.unlink() if content is None else pointer.write_bytes(content)

        assert machine.slots().current() == new
        assert machine.slots().state().current == new.id

    def test_lost_pointer_never_leads_to_what_was_not_tried_or_was_refused(self, machine):
        """A slot that was only installed, and one that crashed, stay where they are."""
        old = machine.activate("1.0.0")
        machine.activate("1.1.0")
        machine.slots().rollback("it was bad")
        machine.install("1.2.0")
        (machine.home / "state.json").unlink()

        assert machine.slots().current() == old

    def test_pointer_is_read_as_all_versions_have_written_it(self, machine: Machine):
        """Its keys stay, whatever our words for them are."""
        old, new = machine.activate("1.0.0"), machine.activate("1.1.0", commit=False)
        refused = {
            "name": "parts",
            "version": "0.9.0",
            "reason": "crashed within its first minute",
            "at": "2026-02-28T12:00:00+00:00",
        }
        written = {
            "format": 1,
            "current": new.id,
            "previous": old.id,
            "activated_at": "2026-03-01T12:00:00+00:00",
            "trial": {
                "boot_id": "boot 1",
                "started_at": "2026-03-01T12:00:00+00:00",
                "crashes": 0,
                "power_cuts": 2,
            },
            "refused": {"parts-0.9.0-0123456789ab": refused},
        }
        pointer = machine.home / "state.json"
        pointer.write_text(json.dumps(written, indent=2) + "\n")

        assert probation_of(machine.slots()).power_cuts == 2
        machine.slots().forgive()
        assert json.loads(pointer.read_text()) == {**written, "refused": {}}
        pointer.write_text(json.dumps(written))
        assert machine.slots().begin_run() == old, "it had crashed while it was on probation"

    @pytest.mark.parametrize("place", ["current", "previous"])
    def test_pointer_never_leads_out_of_the_slots(self, machine: Machine, place):
        """A path is no name of a slot."""
        machine.activate("1.0.0")
        good = (machine.home / "state.json").read_text()
        bad = good.replace(f'"{place}": ', f'"{place}": "../x", "was": ', 1)
        (machine.home / "state.json").write_text(bad)

        assert machine.slots().current() is not None
        assert ".." not in str(machine.slots().state())


class TestProbation:
    def test_release_is_on_trial_until_it_is_committed(self, machine: Machine):
        """Then it is not, also for later processes."""
        machine.activate("1.0.0", commit=False)
        assert machine.slots().on_probation()

        machine.slots().commit()

        assert not machine.slots().on_probation()
        machine.slots().commit()

    def test_crash_within_the_first_minute_is_rolled_back_and_refused(self, machine: Machine):
        """The next process starts with the old release, and knows why."""
        old, new = machine.activate("1.0.0"), machine.activate("1.1.0", commit=False)
        machine.crash()

        assert machine.slots().begin_run() == old
        state = machine.slots().state()
        assert state.refused[new.id].reason == CRASHED
        assert (state.refused[new.id].name, state.refused[new.id].version) == ("parts", "1.1.0")
        with pytest.raises(ReleaseError, match=CRASHED):
            machine.slots().activate(new)

    def test_crash_after_the_commit_is_no_crash_of_the_release(self, machine: Machine):
        """It proved itself: something else is wrong."""
        machine.activate("1.0.0")
        new = machine.activate("1.1.0")
        machine.crash()

        assert machine.slots().begin_run() == new

    def test_power_cut_within_the_first_minute_is_no_crash(self, machine: Machine):
        """The release is tried again, after the next one too."""
        machine.activate("1.0.0")
        new = machine.activate("1.1.0", commit=False)
        for _ in range(MAX_POWER_CUTS - 1):
            machine.power_cut()

        assert machine.slots().begin_run() == new
        assert machine.slots().on_probation()

    def test_release_that_restarts_the_machine_each_time_is_rolled_back(self, machine: Machine):
        """Or else a device would restart for ever."""
        old, new = machine.activate("1.0.0"), machine.activate("1.1.0", commit=False)
        for _ in range(MAX_POWER_CUTS):
            machine.power_cut()

        assert machine.slots().begin_run() == old
        assert machine.slots().state().refused[new.id].reason == RESTARTED

    def test_orderly_end_within_the_first_minute_is_no_crash(self, machine: Machine):
        """Who stops the program says nothing about the release."""
        machine.activate("1.0.0")
        new = machine.activate("1.1.0", commit=False)
        for _ in range(MAX_CRASHES + 1):
            slots = machine.slots()
            assert slots.begin_run() == new
            slots.begin_probation()
            slots.end_run()
            slots.end_run()

        assert machine.slots().on_probation()

    def test_run_that_dies_before_it_opens_the_model_is_no_crash_of_it(self, machine: Machine):
        """Whatever it died of: the release had no part in it."""
        machine.activate("1.0.0")
        new = machine.activate("1.1.0", commit=False)
        for _ in range(MAX_CRASHES + 1):
            slots = machine.slots()
            assert slots.begin_run() == new
            slots._run_lock.release()

    def test_run_that_dies_while_it_ends_is_no_crash(self, machine: Machine):
        """Its outputs hang, and somebody loses patience; an update meanwhile is not run either."""
        machine.activate("1.0.0")
        machine.activate("1.1.0", commit=False)
        slots = machine.slots()
        slots.begin_run()
        slots.begin_probation()
        slots.end_probation()
        newest = machine.install("1.2.0")
        slots.activate(newest, running=True)
        slots._run_lock.release()

        assert machine.slots().begin_run() == newest

    def test_orderly_end_forgets_the_crashes_before_it(self, machine: Machine):
        """Only those in a row tell of the release; years of short runs have some."""
        machine.activate("1.0.0", commit=False)
        machine.crash()
        slots = machine.slots()
        slots.begin_run()
        slots.begin_probation()
        assert probation_of(slots).crashes == 1
        slots.end_run()

        assert probation_of(machine.slots()).crashes == 0

    def test_crash_before_a_release_was_taken_over_is_not_its_fault(self, machine: Machine):
        """`update` activated it, and the run that died still had the old one."""
        machine.activate("1.0.0")
        slots = machine.slots()
        slots.begin_run()
        new = machine.activate("1.1.0", commit=False)
        slots._run_lock.release()

        assert machine.slots().begin_run() == new

    @pytest.mark.parametrize("how", ["activated by the run", "by another process"])
    def test_crash_after_a_release_was_taken_over_is_its_fault(self, machine: Machine, how):
        """In the middle of a run, whoever activated it."""
        old = machine.activate("1.0.0")
        slots = machine.slots()
        slots.begin_run()
        if how == "activated by the run":
            slots.activate(machine.install("1.1.0"), running=True)
        else:
            machine.activate("1.1.0", commit=False)
            slots.begin_probation()
        slots._run_lock.release()

        assert machine.slots().begin_run() == old

    def test_only_release_is_tried_again_after_each_crash(self, machine: Machine):
        """Nothing to go back to: another try is better than no model. The crashes are counted."""
        only = machine.activate("1.0.0", commit=False)
        for _ in range(MAX_CRASHES + 1):
            assert machine.slots().current() == only
            machine.crash()

        slots = machine.slots()
        assert slots.begin_run() == only
        assert probation_of(slots).crashes == MAX_CRASHES + 1 and slots.state().refused == {}

    def test_crash_does_not_lead_back_to_a_damaged_release(self, machine: Machine):
        """The one that crashed is tried again: it is all there is."""
        old, new = machine.activate("1.0.0"), machine.activate("1.1.0", commit=False)
        machine.crash()
        flip_a_byte(old.model_path)

        assert machine.slots().begin_run() == new

    def test_new_release_during_a_trial_keeps_the_proven_one_to_go_back_to(self, machine):
        """Not the one that was on probation, which has proved nothing."""
        proven = machine.activate("1.0.0")
        machine.activate("1.1.0", commit=False)
        machine.activate("1.2.0", commit=False)

        assert machine.slots().rollback("bad") == proven

    def test_new_release_during_the_first_trial_keeps_what_there_is_to_go_back_to(self, machine):
        """It has proved nothing either, but it is all there is."""
        first = machine.activate("1.0.0", commit=False)
        machine.activate("1.1.0", commit=False)

        assert machine.slots().rollback("bad") == first

    def test_second_run_of_a_home_is_told_so(self, machine: Machine):
        """Two of them would take each other's crashes for their own."""
        machine.activate("1.0.0")
        first = machine.slots()
        first.begin_run()

        with pytest.raises(BusyError, match=f"process {os.getpid()}.*--home"):
            machine.slots().begin_run()

        first.end_run()
        assert machine.slots().begin_run() is not None


class TestRollback:
    def test_rollback_goes_to_the_previous_release_and_refuses_the_one_left(self, machine):
        """With a reason, which stays."""
        old, new = machine.activate("1.0.0"), machine.activate("1.1.0")

        assert machine.slots().rollback("too many false alarms") == old
        assert machine.slots().current() == old
        assert machine.slots().state().refused[new.id].reason == "too many false alarms"

    def test_rollback_without_refusal_lets_the_release_come_back(self, machine: Machine):
        """Then the next update may take it."""
        machine.activate("1.0.0")
        new = machine.activate("1.1.0")
        machine.slots().rollback(refuse=False)

        machine.slots().activate(new)

        assert machine.slots().current() == new

    def test_rollback_without_a_previous_release_says_so(self, machine: Machine):
        """On a new device, after the first release, and after a rollback."""
        with pytest.raises(NoModelError, match="no release is installed"):
            machine.slots().rollback()
        machine.activate("1.0.0")
        with pytest.raises(NoModelError, match=r"parts 1\.0\.0 is the only release"):
            machine.slots().rollback()
        machine.activate("1.1.0")
        machine.slots().rollback()
        with pytest.raises(NoModelError, match=r"parts 1\.0\.0 is the only release"):
            machine.slots().rollback()

    def test_rollback_to_a_damaged_release_changes_nothing(self, machine: Machine):
        """The current one works, so it stays."""
        old, new = machine.activate("1.0.0"), machine.activate("1.1.0")
        flip_a_byte(old.model_path)

        with pytest.raises(NoModelError, match=r"staying with parts 1\.1\.0"):
            machine.slots().rollback()

        assert machine.slots().current() == new

    def test_release_that_decayed_since_its_self_test_is_not_activated(self, machine: Machine):
        """The one that runs is whole, so it stays, and nothing is written."""
        old = machine.activate("1.0.0")
        new = machine.install("1.1.0")
        flip_a_byte(new.model_path)

        with pytest.raises(ReleaseError, match="has changed"):
            machine.slots().activate(new)

        assert machine.slots().current() == old
        assert machine.slots().state().previous is None

    def test_forgiven_release_can_come_back(self, machine: Machine):
        """Its owner may have found another cause."""
        machine.activate("1.0.0")
        new = machine.activate("1.1.0")
        machine.slots().rollback()
        machine.slots().forgive()

        machine.slots().activate(new)

        assert machine.slots().current() == new


class TestHousekeeping:
    def test_only_the_current_and_the_previous_slot_are_kept(self, machine: Machine):
        """A device does not fill its disk."""
        slots = [machine.activate(f"1.{minor}.0") for minor in range(4)]

        with machine.slots().updating(1):
            machine.slots().prune()

        assert machine.slots().store.ids() == [slots[2].id, slots[3].id]

    @pytest.mark.parametrize("content", [None, b"nonsense"])
    def test_nothing_is_deleted_while_the_pointer_is_lost(self, machine: Machine, content):
        """Who does not know what is current keeps all."""
        machine.activate("1.0.0")
        pointer = machine.home / "state.json"
        pointer.unlink() if content is None else pointer.write_bytes(content)

        machine.slots().prune()

        assert len(machine.slots().store.ids()) == 1

    def test_leftovers_of_a_killed_update_are_swept_up(self, machine: Machine):
        """By the next one."""
        slot = machine.activate("1.0.0")
        for leftover in (".incoming-1", ".decayed-2"):
            (machine.home / "slots" / leftover).mkdir()
            (machine.home / "slots" / leftover / "model.tflite").write_bytes(b"half")

        with machine.slots().updating(1):
            assert [path.name for path in slot.folder.parent.iterdir()] == [slot.id]

    def test_second_update_waits_for_the_first_one(self, machine: Machine):
        """As long as it is told to."""
        order: list[str] = []
        first = machine.slots().updating(1)
        first.__enter__()

        def second() -> None:
            with machine.slots().updating(60):
                order.append("second")

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
        first.__exit__(None, None, None)
        thread.join(60)
        assert order == ["first", "second"]

    def test_second_update_that_may_not_wait_says_so(self, machine: Machine):
        """It names the process that is in its way."""
        late = machine.slots().updating(0.1)
        with machine.slots().updating(1), pytest.raises(BusyError, match=f"process {os.getpid()}"):
            late.__enter__()
        with machine.slots().updating(0):
            pass

    def test_read_only_home_still_runs_its_model(self, machine: Machine, read_only):
        """It cannot be updated, but the camera goes on."""
        slot, other = machine.activate("1.0.0", commit=False), machine.install("1.1.0")
        read_only()

        slots = machine.slots()
        assert slots.begin_run() == slot
        slots.commit()
        with pytest.raises(ConfigError, match="Read-only file system"):
            slots.activate(other)
        slots.end_run()

    def test_read_only_home_without_locks_still_runs_its_model(self, machine, read_only):
        """As in an image of a disk, made by `update` alone."""
        slot = machine.activate("1.0.0")
        for lock in machine.home.glob("*.lock"):
            lock.unlink()
        read_only()

        assert machine.slots().begin_run() == slot


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, nothing more can be brought to the disk."""

    def fill() -> None:
        def fail(_handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("edge_detector.system.atomic.os.fsync", fail)

    return fill


def test_full_disk_keeps_the_pointer_and_the_run(machine: Machine, full_disk):
    """What was there before is there afterwards; an update says why it did not happen."""
    old, new = machine.activate("1.0.0"), machine.install("1.1.0")
    full_disk()

    with pytest.raises(ConfigError, match="No space left"):
        machine.slots().activate(new)

    slots = machine.slots()
    assert slots.begin_run() == old
    slots.commit()
    slots.end_run()
