"""Updates: what is published arrives, verified; whatever goes wrong, the device keeps its model."""

import errno
import functools
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from edge_detector.contract.limits import Limits
from edge_detector.contract.manifest import Golden, ModelFile
from edge_detector.errors import (
    ConfigError,
    DownloadError,
    EdgeError,
    ModelError,
    ReleaseError,
    SchemaError,
)
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots
from edge_detector.system.locks import BusyError
from edge_detector.updates.journal import Journal
from edge_detector.updates.session import Session
from edge_detector.updates.updates import Updates

from edge.release.repository.repository import Repository
from tests.edge.releases import Clock, make_release, make_repository, open_repository

LIMITS = Limits(lock_s=0.2, spare_bytes=0)


def passes(_slot: Slot) -> None:
    """A self-test that finds nothing wrong."""


def fails(_slot: Slot) -> None:
    raise ModelError("the self-test failed: no bolt")


def cannot_run(_slot: Slot) -> None:
    raise EdgeError("no TFLite runtime")


class Device:
    """A home, and the updates of it as each new process makes them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.releases = folder / "releases"
        self.slots = Slots(self.home)

    def updates(self, releases: object = None, **options) -> Updates:
        return Updates(
            str(releases or self.releases),
            self.home,
            **{"limits": LIMITS, "self_test": passes, "device_id": "device", **options},
        )

    def update(self, **options) -> str | None:
        """The version that an update brought."""
        slot = self.updates(**options).update()
        if slot is not None:
            self.slots.commit()
        return slot.manifest.version if slot else None

    @property
    def version(self) -> str | None:
        slot = self.slots.current()
        return slot.manifest.version if slot else None

    @property
    def journal(self) -> Journal:
        return Journal.read(self.home)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a repository of parts 1.0.0 and its keys; made once, and copied."""
    folder = tmp_path_factory.mktemp("published")
    make_repository(folder).publish(make_release("1.0.0"))
    return folder


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disks are slow, and it is processes that are killed in tests, not disks."""
    monkeypatch.setattr("os.fsync", lambda _handle: None)


@pytest.fixture
def repository(tmp_path: Path, published: Path) -> Repository:
    """With parts 1.0.0."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    return open_repository(tmp_path)


@pytest.fixture
def device(tmp_path: Path, repository: Repository) -> Device:
    return Device(tmp_path)


class TestUpdate:
    def test_first_update_installs_the_release(self, device: Device):
        """On a home that does not exist yet."""
        slot = device.updates().update()

        assert slot is not None and slot.release == "parts 1.0.0"
        assert slot.model_path.read_bytes() == b"a model"
        assert device.slots.current() == slot
        assert device.slots.on_probation()

    def test_newer_release_is_taken_and_the_old_one_kept(self, device, repository):
        """For a rollback; the one before it goes."""
        for version in ("1.0.0", "1.1.0", "1.10.0"):
            if version != "1.0.0":
                repository.publish(make_release(version, model=version.encode()))
            assert device.update() == version
        assert device.update() is None

        assert len(device.slots.store.ids()) == 2
        assert device.slots.rollback().manifest.version == "1.1.0"
        assert device.update() is None, "what was rolled back is not taken again"

    def test_release_is_not_activated_before_its_self_test(self, device: Device):
        """The new slot lies beside the one that runs; here, none does yet."""
        seen = []

        def look(slot: Slot) -> None:
            seen.append((slot.folder.is_dir(), device.version))

        assert device.update(self_test=look) == "1.0.0"
        assert seen == [(True, None)]

    def test_withdrawn_release_is_left_for_the_older_one(self, device, repository):
        """The only case in which a device goes back by itself."""
        repository.publish(make_release("1.1.0"))
        assert device.update() == "1.1.0"
        repository.withdraw("parts", "1.1.0", "misses washers")

        assert device.update() == "1.0.0"
        assert "misses washers" in str(device.journal.found)

    def test_share_and_channel_are_respected(self, device: Device, repository: Repository):
        """A stable device does not see what is for canaries or for others."""
        repository.publish(make_release("2.0.0"), channel="canary")
        repository.publish(make_release("3.0.0"), share=0.0)

        assert device.update() == "1.0.0"
        assert device.update(channel="canary") == "2.0.0"

    def test_empty_repository_is_no_error(self, tmp_path: Path):
        """There is nothing to take yet; the device can wait for it."""
        make_repository(tmp_path)
        device = Device(tmp_path)

        assert device.update() is None
        assert "no release yet" in str(device.journal.found)

    def test_model_that_is_here_already_is_not_fetched_again(self, device, repository):
        """An update that was cut off before the end goes on with what it has."""
        with pytest.raises(EdgeError, match="no TFLite runtime"):
            device.update(self_test=cannot_run)
        shutil.rmtree(device.releases / "targets" / "parts" / "1.0.0" / "x", ignore_errors=True)
        for model in device.releases.glob("targets/parts/1.0.0/*model.tflite"):
            model.unlink()

        assert device.update() == "1.0.0"

    @pytest.mark.parametrize("ending", ["", "/", "//"])
    def test_repository_is_read_over_http(self, device: Device, ending):
        """From any web server, with and without a slash at the end of the address."""
        handler = functools.partial(QuietHandler, directory=str(device.releases))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                url = f"http://127.0.0.1:{server.server_port}{ending}"
                assert device.update(releases=url) == "1.0.0"
                assert device.update(releases=url) is None
            finally:
                server.shutdown()
                thread.join()

    def test_same_repository_may_move(self, device: Device, tmp_path: Path):
        """Trust is in its keys, not in its address."""
        assert device.update() == "1.0.0"
        shutil.copytree(device.releases, tmp_path / "mirror")
        assert device.update(releases=f"file://{tmp_path}/mirror/") is None


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal of the tests."""


class TestSelfTest:
    def test_release_that_fails_is_refused_with_its_reason(self, device, repository):
        """It never becomes current, is not tried again, and its files go."""
        assert device.update() == "1.0.0"
        repository.publish(make_release("1.1.0", model=b"bad"))
        with pytest.raises(ModelError, match=r"parts 1\.1\.0 was refused.*no bolt"):
            device.update(self_test=fails)

        assert device.version == "1.0.0"
        assert len(device.slots.store.ids()) == 1
        assert device.update() is None
        (refusal,) = device.slots.state().refused.values()
        assert (refusal.version, refusal.reason) == ("1.1.0", "the self-test failed: no bolt")

    def test_newer_release_follows_one_that_failed(self, device, repository):
        """The publisher has mended it."""
        with pytest.raises(ModelError):
            device.update(self_test=fails)
        repository.publish(make_release("1.0.1", model=b"mended"))

        assert device.update() == "1.0.1"
        assert len(device.slots.store.ids()) == 1

    def test_test_that_cannot_be_run_says_nothing_of_the_release(self, device: Device):
        """It will be tried again, without another download."""
        with pytest.raises(EdgeError, match="no TFLite runtime"):
            device.update(self_test=cannot_run)

        assert device.slots.state().refused == {}
        assert device.update() == "1.0.0"

    def test_self_test_uses_the_interpreter_that_is_to_run_it(self, device, monkeypatch):
        """As many threads, and the same runtime."""
        commands: list[tuple[str, ...]] = []
        monkeypatch.setattr(
            "edge_detector.updates.updates.run_self_test",
            lambda command, _limit_s, _cancelled: commands.append(command),
        )

        device.update(self_test=None, threads=3, runtime="tflite")

        assert commands[0][-4:] == ("--threads", "3", "--runtime", "tflite")

    def test_release_that_does_not_fit_is_passed_over_by_its_process_only(self, device):
        """It is not refused: the next process may have other options."""
        updates = device.updates(self_test=cannot_run)
        with pytest.raises(EdgeError, match="no TFLite runtime"):
            updates.update()
        (slot,) = device.slots.store.ids()
        updates.pass_over(device.slots.store.read(slot))

        assert updates.update() is None
        assert device.update() == "1.0.0"

    def test_release_refused_by_hand_during_its_test_is_not_activated(self, device: Device):
        """Whoever refuses it has the last word."""

        def refused(slot: Slot) -> None:
            device.slots.refuse(slot, "recalled by phone")

        with pytest.raises(ReleaseError, match="recalled by phone"):
            device.update(self_test=refused)
        assert device.version is None


class TestTrust:
    def test_first_use_pins_the_root_and_says_its_fingerprint(self, device, repository, caplog):
        """The publisher's side shows the same."""
        device.update()
        assert repository.status().fingerprint in caplog.text
        assert device.updates()._trust.pinned() == repository.status().fingerprint

    def test_other_publisher_is_refused_where_a_root_is_pinned(self, device, tmp_path: Path):
        """Even if it has a newer release; the message says what to do if that is meant."""
        device.update()
        other = make_repository(tmp_path / "other")
        other.publish(make_release("9.0.0"))

        with pytest.raises(ReleaseError, match=r"not signed by the keys.*--root FILE"):
            device.update(releases=tmp_path / "other" / "releases")
        assert device.version == "1.0.0"

    def test_given_root_goes_before_first_use(self, device: Device, tmp_path: Path):
        """Who has it from a safe hand needs no first use."""
        make_repository(tmp_path / "other")
        root = tmp_path / "other" / "releases" / "metadata" / "1.root.json"
        with pytest.raises(ReleaseError, match="not signed by the keys"):
            device.update(root=root)
        assert device.update(root=device.releases / "metadata" / "1.root.json") == "1.0.0"

    def test_given_root_moves_the_device_to_another_publisher(self, device, tmp_path: Path):
        """And back, if that is what its owner wants."""
        device.update()
        other = make_repository(tmp_path / "other")
        other.publish(make_release("9.0.0"))
        releases = tmp_path / "other" / "releases"

        assert device.update(releases=releases, root=releases / "metadata/1.root.json") == "9.0.0"
        assert device.update(releases=releases) is None

    @pytest.mark.parametrize("content", [None, b"", b"{}", b"<html>", b"x" * 600_000])
    def test_given_root_that_is_none_is_an_error(self, device: Device, tmp_path: Path, content):
        """It is not replaced by a first use."""
        file = tmp_path / "root.json"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises((ConfigError, ReleaseError)):
            device.update(root=file)
        assert device.version is None

    def test_login_page_of_a_hotel_is_not_trusted(self, device: Device):
        """What is no root is not pinned: the first use is still to come."""
        root = device.releases / "metadata" / "1.root.json"
        good = root.read_bytes()
        root.write_bytes(b"<html>Welcome</html>")
        with pytest.raises(ReleaseError):
            device.update()
        root.write_bytes(good)

        assert device.update() == "1.0.0"

    def test_keys_may_be_rotated(self, device: Device, repository: Repository):
        """All of them, between two updates."""
        device.update()
        for role in ("root", "targets", "snapshot", "timestamp", "root"):
            repository.rotate(role)
        repository.publish(make_release("1.1.0"))

        assert device.update() == "1.1.0"

    def test_device_that_was_away_for_all_rotations_follows_them(self, device, repository):
        """From the root that it was given at first."""
        root = (device.releases / "metadata" / "1.root.json").read_bytes()
        for _ in range(3):
            repository.rotate("root")
        (device.home.parent / "root.json").write_bytes(root)

        assert device.update(root=device.home.parent / "root.json") == "1.0.0"


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00\xff", b"[]", b"[" * 50_000])
    @pytest.mark.parametrize(
        "name", ["timestamp.json", "snapshot.json", "targets.json", "root_history/2.root.json"]
    )
    def test_damaged_metadata_is_fetched_again(self, device, repository, name, content):
        """From the pinned root on; it is no error."""
        repository.rotate("root")
        device.update()
        (device.home / "trust" / "metadata" / name).write_bytes(content)
        repository.publish(make_release("1.1.0"))

        assert device.update() == "1.1.0"

    def test_whole_metadata_is_kept_when_it_cannot_be_read_now(self, device, monkeypatch):
        """It protects from being set back, so it is deleted only where the disk has spoilt it."""
        device.update()

        def fail(_session: Session, _root: bytes) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        monkeypatch.setattr(Session, "_refreshed", fail)
        with pytest.raises(EdgeError, match="Too many open files"):
            device.update()

        assert (device.home / "trust" / "metadata" / "timestamp.json").is_file()

    @pytest.mark.parametrize("name", ["timestamp.json", "targets.json", "root_history"])
    def test_metadata_that_is_no_file_any_more_is_fetched_again(self, device, repository, name):
        """A file system that was repaired has strange things in it."""
        device.update()
        place = device.home / "trust" / "metadata" / name
        if place.is_dir():
            shutil.rmtree(place)
            place.write_bytes(b"")
        else:
            place.unlink()
            (place / "inside").mkdir(parents=True)
        repository.publish(make_release("1.1.0"))

        assert device.update() == "1.1.0"

    @pytest.mark.parametrize("lost", ["metadata", "root.json", "pin.json"])
    def test_lost_part_of_the_trust_is_found_again(self, device, repository, lost):
        """Any one of them can be."""
        device.update()
        place = device.home / "trust" / lost
        shutil.rmtree(place) if place.is_dir() else place.write_bytes(b"nonsense")
        repository.publish(make_release("1.1.0"))

        assert device.update() == "1.1.0"
        assert device.updates()._trust.pinned() == repository.status().fingerprint

    def test_lost_root_is_fetched_by_its_digest(self, device, repository):
        """Where the cache is lost as well; no other root would do."""
        device.update()
        shutil.rmtree(device.home / "trust" / "metadata")
        (device.home / "trust" / "root.json").write_bytes(b"nonsense")
        repository.publish(make_release("1.1.0"))

        assert device.update() == "1.1.0"

    def test_trust_never_starts_anew_by_itself(self, device: Device, tmp_path: Path):
        """All copies of the root are lost, and another publisher answers: that is an error."""
        device.update()
        other = make_repository(tmp_path / "other")
        other.publish(make_release("9.0.0"))
        shutil.rmtree(device.home / "trust" / "metadata")
        for lost in ("root.json", "pin.json"):
            (device.home / "trust" / lost).write_bytes(b"nonsense")

        with pytest.raises(ConfigError, match=r"damaged.*--root FILE"):
            device.update(releases=tmp_path / "other" / "releases")
        assert device.version == "1.0.0"

    def test_damaged_model_is_fetched_again(self, device: Device, repository: Repository):
        """The device notices, and mends itself with the next update."""
        slot = device.updates().update()
        assert slot is not None
        slot.model_path.write_bytes(b"A model")

        assert device.update() == "1.0.0"
        assert device.slots.current() == slot

    @pytest.mark.parametrize("content", [b"", b"[]", b'{"error": 1}', b'{"refreshed_at": "x"}'])
    def test_damaged_journal_is_an_empty_one(self, device: Device, content):
        """It is for people only."""
        device.update()
        (device.home / "updates.json").write_bytes(content)

        assert device.updates().offline_s() is None
        assert device.update() is None
        assert device.updates().offline_s() is not None


class TestOffline:
    def test_unreachable_repository_leaves_the_model(self, device: Device):
        """The message names the address; the device says for how long it has been alone."""
        clock = Clock()
        device.update(clock=clock)
        device.releases.rename(device.releases.with_name("gone"))
        clock.move(hours=5)

        with pytest.raises(DownloadError, match="releases"):
            device.update(clock=clock)

        assert device.version == "1.0.0"
        assert device.updates(clock=clock).offline_s() == pytest.approx(5 * 3600, abs=2)
        assert "releases" in str(device.journal.error)

    def test_device_that_never_was_online_says_so(self, device: Device):
        """By None, not by a number."""
        assert device.updates().offline_s() is None

    def test_expired_signatures_leave_the_model(self, tmp_path: Path):
        """And the message names the three things that it can be."""
        clock = Clock()
        clock.move(days=-10)
        repository = make_repository(tmp_path, clock)
        repository.publish(make_release("1.0.0"))
        device = Device(tmp_path)
        with pytest.raises(ReleaseError, match=r"expired.*not renewed.*old copy.*clock"):
            device.update()
        assert device.version is None

        open_repository(tmp_path).renew()

        assert device.update() == "1.0.0"

    @pytest.mark.parametrize("year", [1970, 2024])
    def test_clock_that_was_never_set_fetches_nothing(self, device: Device, year):
        """It could not tell what has expired; the message says what the clock shows."""
        with pytest.raises(DownloadError, match=rf"clock.*{year}.*set it"):
            device.update(clock=lambda: datetime(year, 1, 1, tzinfo=UTC))
        assert device.version is None

    def test_clock_that_was_set_back_fetches_nothing(self, device: Device):
        """Before the last refresh, it is wrong for sure; a little is tolerated."""
        clock = Clock()
        device.update(clock=clock)
        clock.move(hours=-20)
        assert device.update(clock=clock) is None
        clock.move(days=-2)
        with pytest.raises(DownloadError, match="before the last update"):
            device.update(clock=clock)
        assert device.version == "1.0.0"

    def test_journal_tells_that_it_works_again(self, device: Device):
        """The old error is gone."""
        with pytest.raises(DownloadError):
            device.update(clock=lambda: datetime(1970, 1, 1, tzinfo=UTC))
        assert device.journal.error is not None
        device.update()
        assert device.journal.error is None


class TestLimits:
    @pytest.mark.parametrize(
        ("limits", "what"),
        [
            ({"channel_bytes": 10}, r"channels/stable\.json"),
            ({"manifest_bytes": 10}, r"manifest\.json"),
            ({"model_bytes": 6}, r"model\.tflite"),
            ({"golden_bytes": 8}, r"golden-0\.png"),
        ],
    )
    def test_nothing_larger_than_its_ceiling_is_fetched(self, device: Device, limits, what):
        """However well it is signed: not a byte of it."""
        with pytest.raises(ReleaseError, match=rf"{what} has .* bytes"):
            device.update(limits=replace(LIMITS, **limits))
        assert device.slots.store.ids() == []

    def test_number_of_pictures_has_a_ceiling(self, device: Device):
        """They are fetched one by one."""
        with pytest.raises(ReleaseError, match="golden frames"):
            device.update(limits=replace(LIMITS, golden_frames=0))

    def test_space_is_looked_for_before_a_download(self, device: Device):
        """The message says how much is needed, and how much is there."""
        with pytest.raises(DownloadError, match=r"needs .* MB of free space"):
            device.update(limits=replace(LIMITS, spare_bytes=2**62))

    @pytest.mark.parametrize("number", range(1, 8))
    def test_disk_that_becomes_full_at_any_moment_leaves_the_model(
        self, device, repository, monkeypatch, number
    ):
        """The next update, with space, succeeds."""
        device.update()
        repository.publish(make_release("1.1.0", model=b"newer"))
        really_sync, calls = os.fsync, []

        def sync(handle: int) -> None:
            calls.append(handle)
            if len(calls) >= number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            really_sync(handle)

        with monkeypatch.context() as patches:
            patches.setattr("os.fsync", sync)
            with pytest.raises(EdgeError, match=r"(?i)no space left"):
                device.update()

        assert device.version == "1.0.0"
        assert device.update() == "1.1.0"

    def test_full_disk_during_a_download_leaves_nothing_behind(self, device, monkeypatch):
        """What had come is deleted, so that there is space again."""
        updates = device.updates()

        def fail(_target: object, _place: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("edge_detector.updates.session.Session.fetch", fail_with(fail))
        with pytest.raises(DownloadError, match="no space left"):
            updates.update()
        assert list((device.home / "slots").iterdir()) == []

    def test_second_update_at_the_same_time_says_so(self, device: Device):
        """It does not wait for ever, and does no harm."""
        with device.slots.updating(1), pytest.raises(BusyError, match="another update"):
            device.update()
        assert device.update() == "1.0.0"


def fail_with(fail: Callable[..., None]) -> Callable[..., None]:
    def method(_self: object, *args: object) -> None:
        fail(*args)

    return method


class TestWrongReleases:
    """Signed, but not as it should be: the publisher erred, and the device keeps what it has."""

    @pytest.fixture
    def publish(self, device: Device, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Publish contents for 1.1.0 that the publisher's side would not let through."""
        repository = open_repository(device.home.parent)
        device.update()

        def publish(**changes: bytes | None) -> None:
            release = make_release("1.1.0", model=b"newer")
            contents = {
                f"parts/1.1.0/{name}": content
                for name, content in {
                    "manifest.json": release.manifest.to_json(),
                    **release.files,
                    **{name.replace("__", "."): value for name, value in changes.items()},
                }.items()
                if content is not None
            }
            monkeypatch.setattr(type(release), "contents", lambda _self: contents)
            repository.publish(release)

        return publish

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 50_000])
    def test_manifest_that_is_none_is_refused(self, device: Device, publish, content):
        """Its message is the manifest's."""
        publish(manifest__json=content)
        with pytest.raises(SchemaError):
            device.update()
        assert device.version == "1.0.0"

    def test_manifest_of_another_release_is_refused(self, device: Device, publish):
        """A manifest belongs to one name and version."""
        publish(manifest__json=make_release("1.0.0").manifest.to_json())
        with pytest.raises(ReleaseError, match=r"is the manifest of parts 1\.0\.0"):
            device.update()

    def test_missing_manifest_is_refused(self, device: Device, publish):
        """The channel lists what was never signed."""
        publish(manifest__json=None)
        with pytest.raises(ReleaseError, match="not signed"):
            device.update()

    def test_missing_model_is_refused(self, device: Device, publish):
        """The manifest names what was never signed."""
        publish(model__tflite=None)
        with pytest.raises(ReleaseError, match=r"model\.tflite, but it was not signed"):
            device.update()

    def test_model_that_the_manifest_does_not_mean_is_refused(self, device: Device, publish):
        """Before it is fetched."""
        publish(model__tflite=b"other")
        with pytest.raises(ReleaseError, match="another file than the manifest names"):
            device.update()
        assert len(device.slots.store.ids()) == 1


def test_release_with_several_pictures_arrives_whole(device: Device, repository: Repository):
    """Each of them, beside the model, whatever it is called."""
    base = make_release()
    model = ModelFile(
        file="net.tflite", sha256=base.manifest.model.sha256, size=7, variant="float32"
    )
    goldens = tuple(
        Golden(file=f"{name}.png", sha256=one.sha256, size=one.size, detections=())
        for one in base.manifest.golden
        for name in ("first", "second.of-two")
    )
    release = make_release("2.0.0", model=b"a model", golden=b"a picture")
    manifest = replace(release.manifest, model=model, golden=goldens)
    files = {"net.tflite": b"a model", **{one.file: b"a picture" for one in goldens}}
    repository.publish(replace(release, manifest=manifest, files=files))

    slot = device.updates().update()

    assert slot is not None
    assert [one.file for one in slot.manifest.golden] == ["first.png", "second.of-two.png"]
    assert all(
        (slot.folder / one.file).read_bytes() == b"a picture" for one in slot.manifest.golden
    )


def test_journal_of_an_update_can_be_read_by_people(device: Device):
    """Where from, which channel, when, and what was found."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    device.update()

    content = json.loads((device.home / "updates.json").read_bytes())
    assert content["releases"] == str(device.releases)
    assert content["channel"] == "stable"
    assert content["found"] == "parts 1.0.0 is the newest"
    assert datetime.fromisoformat(content["refreshed_at"]) >= before
