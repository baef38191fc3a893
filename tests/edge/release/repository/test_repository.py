"""The repository: what is published is seen whole, by everyone, whatever happens meanwhile."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from operator import methodcaller
from pathlib import Path

import pytest
from edge_detector.contract.channel import read_channel
from edge_detector.updates.updates import Updates

from edge.release.errors import RepositoryError
from edge.release.repository.bucket import BucketStorage
from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.repository.storage import Conflict, FolderStorage, Storage
from tests.edge.release.reader import Reader
from tests.edge.release.storages import WatchedStorage, WriterKilled, dying_storage
from tests.edge.releases import (
    Clock,
    folder_of,
    make_release,
    make_repository,
    open_repository,
    without_golden,
)

ROOT = Path(__file__).parents[4]
ROLES = ("root", "targets", "snapshot", "timestamp")
CHANGES: dict[str, Callable[[Repository], object]] = {
    "publish": lambda repository: repository.publish(make_release("2.0.0", b"new")),
    "promote": lambda repository: repository.promote("parts", "1.0.0", "canary"),
    "share": lambda repository: repository.share("parts", "1.0.0", "stable", 0.5),
    "withdraw": lambda repository: repository.withdraw("parts", "1.0.0", "misses bolts"),
    "renew": lambda repository: repository.renew(),
    **{f"rotate {role}": methodcaller("rotate", role) for role in ROLES},
}
EVERY_CHANGE = pytest.mark.parametrize("change", CHANGES)


# --- publishing ---


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_published_release_is_read_by_any_client(kind, tmp_path, request):
    """TUF's own client verifies and downloads all of it, from a folder and from a bucket."""
    storage: Storage = folder_of(tmp_path)
    if kind == "bucket":
        client, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
        storage = BucketStorage(bucket, "edge/releases", client)
    repository = Repository(storage, Keys(tmp_path / "keys"))
    release = make_release("1.0.0", b"the model")

    assert repository.create() is True
    assert repository.publish(release, share=0.5) is True

    seen = Reader(storage, tmp_path / "reader").look()
    (listed,) = seen.channels["stable"]
    assert (listed["name"], listed["version"], listed["share"]) == ("parts", "1.0.0", 0.5)
    assert listed["withdrawn"] is None
    assert seen.channels["canary"] == []
    assert seen.files == {
        "parts/1.0.0/manifest.json": release.manifest.to_json(),
        "parts/1.0.0/model.tflite": b"the model",
        "parts/1.0.0/golden-0.png": b"a picture",
    }
    assert repository.manifest("parts", "1.0.0") == release.manifest


def test_file_for_phones_is_signed_with_the_release_and_no_device_needs_it(tmp_path):
    """Any client verifies it; the manifest is the same without it."""
    repository = make_repository(tmp_path)
    release = make_release("1.0.0")

    repository.publish(replace(release, phone=b"for phones"))

    reader = Reader(folder_of(tmp_path), tmp_path / "reader")
    assert reader.look().files["parts/1.0.0/manifest.json"] == release.manifest.to_json()
    assert reader.fetch("parts/1.0.0/phone.tflite") == b"for phones"
    with pytest.raises(RepositoryError, match=r"phone\.tflite cannot be read"):
        repository.publish(replace(make_release("1.1.0"), phone=tmp_path / "nowhere.tflite"))
    with pytest.raises(RepositoryError, match="published already, with another content"):
        repository.publish(release)


def test_device_reads_the_channels_that_are_written(tmp_path):
    """Both sides have their own code for a channel, and agree."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0"))
    repository.publish(make_release("1.1.0"), share=0.25)
    repository.withdraw("parts", "1.0.0", "misses bolts")

    raw_channel = next((tmp_path / "releases/targets/channels").glob("*.canary.json"))
    assert read_channel(raw_channel.read_bytes(), "canary") == ()
    seen = Reader(folder_of(tmp_path), tmp_path / "reader").look()
    content = json.dumps({"format": 1, "releases": seen.channels["stable"]}).encode()
    listed = read_channel(content, "stable")
    assert [(release.version, release.share, release.withdrawn) for release in listed] == [
        ("1.0.0", 1.0, "misses bolts"),
        ("1.1.0", 0.25, None),
    ]


def test_repository_is_created_once(tmp_path):
    """Again it is no change, and makes no keys."""
    make_repository(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*") if file.is_file()}

    assert open_repository(tmp_path).create() is False

    after = {file: file.read_bytes() for file in tmp_path.rglob("*.*") if file.is_file()}
    assert after == before


def test_publishing_the_same_again_is_no_change(tmp_path):
    """A flow that is retried does not fail, nor does it write."""
    repository = make_repository(tmp_path)
    repository.publish(make_release())
    before = repository.status()

    assert repository.publish(make_release()) is False
    assert repository.status() == before
    assert repository.publish(make_release(), share=0.5) is True  # but for the share


def test_release_never_changes(tmp_path):
    """The same name and version with another model, or another manifest, is refused."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0", b"a model"))
    for other in (
        make_release("1.0.0", b"another model"),
        make_release("1.0.0", b"a model", golden=b"another picture"),
        make_release("1.0.0", b"a model", measured={"map_50": 1.0}),
    ):
        with pytest.raises(RepositoryError, match=r"parts 1\.0\.0 is published already, with anot"):
            repository.publish(other)

    seen = Reader(folder_of(tmp_path), tmp_path / "reader").look()
    assert seen.files["parts/1.0.0/model.tflite"] == b"a model"


def test_older_version_is_refused(tmp_path):
    """Compared as numbers, among the releases of its name, whatever their channel."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.10.0"), channel="canary")
    with pytest.raises(RepositoryError, match=r"parts 1\.9\.0 is older than 1\.10\.0"):
        repository.publish(make_release("1.9.0"))

    assert repository.publish(make_release("1.9.0", name="others"))
    assert [release.name for release in repository.releases("stable")] == ["others"]


def test_withdrawn_release_is_listed_with_its_reason_in_every_channel(tmp_path):
    """It comes back neither by publishing, nor by promotion, nor by a share."""
    repository = make_repository(tmp_path)
    repository.publish(make_release(), channel="canary")
    repository.promote("parts", "1.0.0", "stable", share=0.1)

    assert repository.withdraw("parts", "1.0.0", "misses bolts") is True
    assert repository.withdraw("parts", "1.0.0", "misses bolts") is False

    for channel in ("stable", "canary"):
        assert [release.withdrawn for release in repository.releases(channel)] == ["misses bolts"]
    for again in (
        lambda: repository.publish(make_release()),
        lambda: repository.promote("parts", "1.0.0", "stable"),
        lambda: repository.share("parts", "1.0.0", "stable", 1.0),
    ):
        with pytest.raises(RepositoryError, match=r"was withdrawn \(misses bolts\)"):
            again()


def test_release_is_promoted_without_another_upload(tmp_path):
    """The same files in another channel; what is not published cannot be promoted."""
    repository = make_repository(tmp_path)
    repository.publish(make_release(), channel="canary")
    files = set((tmp_path / "releases/targets/parts").rglob("*"))

    assert repository.promote("parts", "1.0.0", "stable", share=0.1) is True
    assert repository.promote("parts", "1.0.0", "stable", share=0.1) is False
    assert repository.promote("parts", "1.0.0", "stable", share=1.0) is True

    assert set((tmp_path / "releases/targets/parts").rglob("*")) == files
    assert [release.share for release in repository.releases("stable")] == [1.0]
    with pytest.raises(RepositoryError, match=r"parts 2\.0\.0 is not published"):
        repository.promote("parts", "2.0.0", "stable")


def test_release_must_be_what_its_manifest_says(tmp_path):
    """A file too few, too many, or another one; nothing is written."""
    repository = make_repository(tmp_path)
    release = make_release()
    before = repository.status()
    for wrong, message in (
        (without_golden(release), r"golden-0\.png, which is not given"),
        (type(release)(release.manifest, {**release.files, "x": b""}), "names no x"),
        (make_release_with(release, "model.tflite", b"another"), r"model\.tflite is not the file"),
        (make_release_with(release, "model.tflite", tmp_path / "no"), "cannot be read"),
    ):
        with pytest.raises(RepositoryError, match=message):
            repository.publish(wrong)

    assert repository.status() == before


def make_release_with(release, name, content):
    return type(release)(release.manifest, {**release.files, name: content})


def test_release_that_no_device_would_download_is_refused(tmp_path):
    """Devices have ceilings, and the publisher knows them."""
    repository = make_repository(tmp_path)
    with pytest.raises(RepositoryError, match=r"golden-0\.png has 8,388,609 bytes, and devices"):
        repository.publish(make_release(golden=bytes(8 * 1024**2 + 1)))
    with pytest.raises(RepositoryError, match=r"manifest\.json has .* bytes, and devices"):
        repository.publish(make_release(measured={"text": "x" * 300_000}))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.publish(make_release(), channel="beta"), "use stable or canary"),
        (lambda r: r.publish(make_release(), share=50), "from 0 to 1"),
        (lambda r: r.withdraw("parts", "9.9.9", "bad"), r"no parts 9\.9\.9 is published; there is"),
        (lambda r: r.share("parts", "9.9.9", "stable", 1), r"stable has no parts 9\.9\.9"),
        (lambda r: r.rotate("mirror"), "use root, targets, snapshot, timestamp"),
        (lambda r: r.manifest("parts", "9.9.9"), r"parts 9\.9\.9 is not published"),
    ],
)
def test_wrong_argument_is_told_what_would_be_right(tmp_path, call, message):
    """Before anything is written."""
    repository = make_repository(tmp_path)
    before = repository.status()
    with pytest.raises(RepositoryError, match=message):
        call(repository)
    assert repository.status() == before


def test_missing_repository_is_not_made_by_accident(tmp_path):
    """A slip in an address gives an error, not a folder; and no releases."""
    repository = open_repository(tmp_path)
    with pytest.raises(RepositoryError, match=r"no repository in .*releases: create it first"):
        repository.publish(make_release())
    with pytest.raises(RepositoryError, match="no repository"):
        repository.status()

    assert repository.releases("stable") == ()
    assert list(tmp_path.iterdir()) == []


def test_status_says_what_is_signed_by_whom_until_when(tmp_path):
    """And the fingerprint that a device's owner compares."""
    clock = Clock()
    repository = make_repository(tmp_path, clock)
    repository.publish(make_release())

    status = repository.status()

    root, targets, snapshot, timestamp = status.roles
    assert (root.keys, root.threshold) == (("root-1", "root-2", "root-3"), 2)
    assert (targets.keys, targets.threshold) == (("targets-1", "targets-2"), 2)
    assert (snapshot.keys, timestamp.keys) == (("snapshot-1",), ("timestamp-1",))
    assert [role.version for role in status.roles] == [1, 2, 2, 2]
    days = [round((role.expires - clock()) / timedelta(days=1), 3) for role in status.roles]
    assert days == pytest.approx([365, 90, 7, 3], abs=0.01)
    assert [release.version for release in status.channels["stable"]] == ["1.0.0"]
    assert len(status.fingerprint) == 64
    repository.rotate("root")
    assert repository.status().fingerprint == status.fingerprint


# --- readers in the middle, killed publishers, several at once ---


@EVERY_CHANGE
def test_reader_in_the_middle_sees_the_old_state_or_the_new_one(change, tmp_path):
    """At every write, a device that has read before and one that has not: never an error."""
    clock = Clock()
    repository = make_repository(tmp_path, clock)
    repository.publish(make_release("1.0.0", b"old"))
    returning = Reader(folder_of(tmp_path), tmp_path / "returning", clock)
    old = returning.look()
    clock.move(days=2)  # so that `renew` has something to do
    middle = []

    def look(number: int) -> None:
        new_reader = Reader(folder_of(tmp_path), tmp_path / f"reader-{number}", clock)
        middle.append((returning.look(), new_reader.look()))

    watched = WatchedStorage(folder_of(tmp_path), after=look)
    CHANGES[change](Repository(watched, Keys(tmp_path / "keys"), clock=clock))

    new = Reader(folder_of(tmp_path), tmp_path / "last", clock).look()
    states = [seen for both in middle for seen in both]
    assert len(middle) >= (1 if change in ("rotate root", "renew") else 2)
    assert all(seen in (old, new) for seen in states)
    assert states[-2:] == [new, new]
    if change in ("publish", "promote", "share", "withdraw"):
        assert new != old
        assert all(seen == old for seen in states[:-2])  # all at once, with the last write
        assert watched.written[-1] == "metadata/timestamp.json"


def test_device_in_the_middle_takes_the_old_release_or_the_new_one(tmp_path):
    """Our own client at every write: nothing new until the last one, and never an error."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0", b"old"))

    def device(name: str) -> Updates:
        return Updates(
            str(tmp_path / "releases"),
            tmp_path / name,
            device_id="device-1",
            self_test=lambda slot: None,
        )

    device("returning").update()
    taken = []

    def update(number: int) -> None:
        slots = device("returning").update(), device(f"device-{number}").update()
        taken.append([slot and slot.manifest.version for slot in slots])

    watched = WatchedStorage(folder_of(tmp_path), after=update)
    Repository(watched, Keys(tmp_path / "keys")).publish(make_release("2.0.0", b"new"))

    assert taken == [[None, "1.0.0"]] * 6 + [["2.0.0", "2.0.0"]]


def test_files_are_written_in_the_order_that_keeps_readers_whole(tmp_path):
    """Target files, then targets, snapshot, and timestamp at the end."""
    make_repository(tmp_path)
    watched = WatchedStorage(folder_of(tmp_path))
    Repository(watched, Keys(tmp_path / "keys")).publish(make_release())

    kinds = [name.rpartition("/")[2].split(".", 1)[1] for name in watched.written]
    assert kinds == [
        *("model.tflite", "golden-0.png", "manifest.json", "stable.json"),
        *("targets.json", "snapshot.json", "json"),
    ]


@pytest.mark.parametrize("change", ["create", *CHANGES])
def test_change_killed_at_any_write_is_made_by_the_next_try(change, tmp_path):
    """Readers see the old state until then; nothing has to be cleaned up."""
    clock = Clock()
    act = CHANGES.get(change, lambda repository: repository.create())
    for writes in count():
        home = tmp_path / str(writes)
        returning = None
        if change != "create":
            make_repository(home, clock).publish(make_release("1.0.0", b"old"))
            returning = Reader(folder_of(home), home / "returning", clock)
            old = returning.look()
        keys = Keys(home / "keys")
        later = Clock()
        later.now = clock.now + timedelta(days=2)
        try:
            act(Repository(dying_storage(folder_of(home), writes), keys, clock=later))
        except WriterKilled:
            pass
        else:
            break

        if returning:
            assert returning.look() == old
        later.move(seconds=5)  # what is signed again differs from what was left
        act(Repository(folder_of(home), keys, clock=later))
        seen = (returning or Reader(folder_of(home), home / "new", clock)).look()
        if change == "publish":
            assert seen.versions() == ["1.0.0", "2.0.0"]
            assert seen.files["parts/2.0.0/model.tflite"] == b"new"
        assert open_repository(home).status().channels["stable"] == tuple(
            open_repository(home).releases("stable")
        )
        assert Reader(folder_of(home), home / "last", clock).look() == seen
    assert writes >= (1 if change in ("rotate root", "renew") else 2)


@pytest.mark.parametrize("write", range(1, 8))
def test_publisher_killed_by_the_system_leaves_a_repository_to_go_on_with(write, tmp_path):
    """SIGKILL in the middle of each of the writes: half a file is left, and no lock."""
    make_repository(tmp_path).publish(make_release("1.0.0", b"old"))
    returning = Reader(folder_of(tmp_path), tmp_path / "returning")
    old = returning.look()
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.edge.releases import make_release, open_repository\n"
        "replace, left = Path.replace, [int(sys.argv[2])]\n"
        "def die(self, target):\n"
        "    left[0] -= 1\n"
        "    if not left[0]:\n"
        "        self.write_bytes(self.read_bytes()[:10])\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return replace(self, target)\n"
        "Path.replace = die\n"
        "open_repository(Path(sys.argv[1])).publish(make_release('2.0.0', b'new'))\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(write)],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert returning.look() == old

    open_repository(tmp_path).publish(make_release("2.0.0", b"new"))
    assert returning.look().versions() == ["1.0.0", "2.0.0"]
    assert not list((tmp_path / "releases").rglob(".tmp-*"))


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_publishers_at_once_lose_nothing(kind, tmp_path, request):
    """Three publishers, two releases each: all six are there."""
    client = bucket = None
    if kind == "bucket":
        client, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")

    def open_storage() -> Storage:
        if client and bucket:
            return BucketStorage(bucket, "edge", client)
        return FolderStorage(tmp_path / "releases")

    Repository(open_storage(), Keys(tmp_path / "keys")).create()
    errors: list[Exception] = []

    def publish(name: str) -> None:
        repository = Repository(open_storage(), Keys(tmp_path / "keys"))
        try:
            for version in ("1.0.0", "1.1.0"):
                repository.publish(make_release(version, name=name))
        except Exception as error:
            errors.append(error)

    names = ("a", "b", "c")
    threads = [threading.Thread(target=publish, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert errors == []
    seen = Reader(open_storage(), tmp_path / "reader").look()
    published = {(one["name"], one["version"]) for one in seen.channels["stable"]}
    assert published == {(name, f"1.{minor}.0") for name in names for minor in range(2)}


def test_overtaken_publisher_in_a_bucket_changes_nothing(tmp_path, s3, bucket):
    """Its lease ended while it was slow, and its clock hides that: the other's work stays."""
    keys = Keys(tmp_path / "keys")
    now = Clock().now.timestamp()

    def open_bucket(seconds: float) -> BucketStorage:
        return BucketStorage(bucket, "", s3, patience_s=0, clock=lambda: now + seconds)

    Repository(open_bucket(0), keys).create()
    for writes in (0, 4, 6):  # before its first file, before its metadata, before the timestamp

        def overtake(number: int, writes: int = writes) -> None:
            if number == writes:
                fast = Repository(open_bucket(1000 * writes + 500), keys)
                fast.publish(make_release(f"1.{writes}.1", b"fast"))

        slow = Repository(WatchedStorage(open_bucket(1000 * writes), before=overtake), keys)
        with pytest.raises(Conflict):
            slow.publish(make_release(f"1.{writes}.0", b"slow"))

    seen = Reader(open_bucket(0), tmp_path / "reader").look()
    assert seen.versions() == ["1.0.1", "1.4.1", "1.6.1"]


# --- damage ---


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("metadata/1.root.json", "root metadata is damaged"),
        ("metadata/2.targets.json", r"2\.targets\.json is damaged: bring it back"),
        ("metadata/2.snapshot.json", r"2\.snapshot\.json is damaged: bring it back"),
        ("metadata/timestamp.json", "timestamp metadata is damaged"),
    ],
)
def test_damaged_metadata_is_never_published_on(file, message, tmp_path):
    """It is named, and left to a person."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0"))
    (tmp_path / "releases" / file).write_bytes(b"{")

    with pytest.raises(RepositoryError, match=message):
        repository.publish(make_release("2.0.0"))


def test_forged_metadata_is_never_published_on(tmp_path):
    """Somebody may write to the folder without having the keys."""
    make_repository(tmp_path / "ours").publish(make_release("1.0.0"))
    make_repository(tmp_path / "theirs").publish(make_release("1.0.0"))
    ours, theirs = (tmp_path / side / "releases/metadata" for side in ("ours", "theirs"))
    shutil.copy(theirs / "timestamp.json", ours / "timestamp.json")
    shutil.copy(theirs / "2.snapshot.json", ours / "2.snapshot.json")

    with pytest.raises(RepositoryError, match="timestamp metadata is not signed by the keys that"):
        open_repository(tmp_path / "ours").publish(make_release("2.0.0"))


def test_lost_timestamp_does_not_begin_a_new_history(tmp_path):
    """An empty repository in place of a used one would take all models from new devices."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0"))
    (tmp_path / "releases/metadata/timestamp.json").unlink()

    with pytest.raises(RepositoryError, match=r"timestamp\.json is missing although .*2\.targets"):
        repository.create()
    with pytest.raises(RepositoryError, match="no repository"):
        repository.publish(make_release("2.0.0"))


def test_damaged_model_is_mended_by_publishing_it_again(tmp_path):
    """The bytes on the server's disk have changed; no new version is needed."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0", b"the model"))
    (model,) = (tmp_path / "releases/targets/parts/1.0.0").glob("*.model.tflite")
    model.write_bytes(b"decayed")

    assert repository.publish(make_release("1.0.0", b"the model")) is False

    assert model.read_bytes() == b"the model"


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "changed": lambda path: path.write_bytes(b"decayed"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
}
FILES = ("*.model.tflite", "*.manifest.json", "*.golden-0.png")


class TestPointers:
    """Devices are sent only to releases that they can take."""

    def damage(self, folder, version, damage, pattern="*.model.tflite"):
        (file,) = (folder / "releases/targets/parts" / version).glob(pattern)
        DAMAGES[damage](file)

    @pytest.mark.parametrize("pattern", FILES)
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_release_that_is_not_whole_is_not_promoted(self, tmp_path, damage, pattern):
        repository = make_repository(tmp_path)
        repository.publish(make_release("1.0.0"), channel="canary")
        self.damage(tmp_path, "1.0.0", damage, pattern)
        before = repository.status()

        with pytest.raises(RepositoryError, match=r"could not take parts 1\.0\.0, and nothing was"):
            repository.promote("parts", "1.0.0", "stable")

        assert repository.status() == before

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_release_that_is_not_whole_goes_to_no_more_devices(self, tmp_path, damage):
        """To fewer it may go: that takes it away from some."""
        repository = make_repository(tmp_path)
        repository.publish(make_release("1.0.0"), share=0.2)
        self.damage(tmp_path, "1.0.0", damage)

        with pytest.raises(RepositoryError, match="publish the same release again"):
            repository.share("parts", "1.0.0", "stable", 1.0)
        assert repository.releases("stable")[0].share == 0.2

        assert repository.share("parts", "1.0.0", "stable", 0.1)

    def test_release_that_was_mended_is_promoted(self, tmp_path):
        repository = make_repository(tmp_path)
        repository.publish(make_release("1.0.0"), channel="canary")
        self.damage(tmp_path, "1.0.0", "missing")
        repository.publish(make_release("1.0.0"), channel="canary")

        assert repository.promote("parts", "1.0.0", "stable")

    def test_damaged_release_can_be_taken_back(self, tmp_path):
        """That is what it needs most."""
        repository = make_repository(tmp_path)
        repository.publish(make_release("1.0.0"))
        self.damage(tmp_path, "1.0.0", "missing")

        assert repository.withdraw("parts", "1.0.0", "its file is lost")

    def test_where_devices_go_is_looked_at(self, tmp_path):
        """The release before may have been lost in the meantime."""
        repository = make_repository(tmp_path)
        for version in ("1.0.0", "1.1.0"):
            repository.publish(make_release(version, version.encode()))
        self.damage(tmp_path, "1.0.0", "missing")

        repository.withdraw("parts", "1.1.0", "misses nuts")

        ((release, fault),) = repository.successors("parts").items()
        assert release == "parts 1.0.0" and fault is not None and "is missing" in fault
