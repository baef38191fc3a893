"""The attacks that the specification of TUF names, against the device's own client.

Each test first shows that the device takes a release from a faithful mirror. Then the mirror is
tampered with: the device must refuse it for the reason that is asserted, keep the model it has,
leave nothing else on its disk, and take the next release from a mirror that is faithful again.
The repository is read from a folder, and over HTTP from a server on loopback.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest
from edge_detector.contract.channel import ChannelRelease
from edge_detector.errors import DownloadError, ReleaseError
from edge_detector.updates.updates import Updates
from securesystemslib.signer import CryptoSigner
from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root
from tuf.ngclient._internal import trusted_metadata_set

from edge.release.repository.channel import Channel
from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.repository.storage import FolderStorage
from tests.edge.attacker import (
    Behaviour,
    StolenKeys,
    WebServer,
    answers,
    cuts_off,
    drips,
    drips_its_head,
    signed_bytes,
    silent,
    steal,
    streams,
)
from tests.edge.releases import Clock, make_release
from tests.edge.world import (
    EVIL,
    LIMITS,
    NEW,
    OLD,
    ONLINE,
    ONLINE_ROLES,
    SLACK_BYTES,
    SLACK_S,
    World,
    open_world,
)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch) -> None:
    """No test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock of everyone: publisher, device, and python-tuf in it."""
    moved = Clock()

    class MovedDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return moved.now.astimezone(tz)

    namespace = SimpleNamespace(datetime=MovedDatetime, timezone=SimpleNamespace(utc=UTC))
    monkeypatch.setattr(trusted_metadata_set, "datetime", namespace)
    return moved


@pytest.fixture(params=["folder", "http"])
def world(request, tmp_path, clock) -> Iterator[World]:
    """A device that runs parts 1.0.0, taken from a faithful mirror."""
    with open_world(tmp_path, clock, request.param) as world:
        yield world


@pytest.fixture
def folder_world(tmp_path, clock) -> Iterator[World]:
    """The same, from a folder only."""
    with open_world(tmp_path, clock, "folder") as world:
        yield world


@pytest.fixture
def web_world(tmp_path, clock) -> Iterator[World]:
    """The same, over HTTP only: for what a folder cannot do."""
    with open_world(tmp_path, clock, "http") as world:
        yield world


# --- arbitrary software: something of the attacker's own instead of a release ---


def test_arbitrary_software_in_place_of_a_model_is_refused(world):
    """Another file of the same length under the name of the new model."""
    world.publish("2.0.0", NEW)
    world.mirror.target("parts/2.0.0/*.model.tflite").write_bytes(EVIL)
    assert len(EVIL) == len(NEW)

    error = world.refuses(
        ReleaseError, exceptions.LengthOrHashMismatchError, "is not the one that was signed"
    )

    assert "Observed hash" in str(error)
    world.recovers()


@pytest.mark.parametrize("role", ONLINE_ROLES)
def test_arbitrary_software_in_altered_metadata_is_refused(world, role):
    """A release is slipped into the signed lists, up to that one, and their signatures stay."""
    world.publish("2.0.0", NEW)
    model = world.mirror.target("parts/2.0.0/*.model.tflite")
    genuine = {one: world.mirror.path(one).read_bytes() for one in ONLINE_ROLES}
    targets = world.mirror.read("targets")
    world.mirror.add_target(targets, "parts/2.0.0/model.tflite", EVIL)
    model.unlink()

    def entry(of: str) -> Any:
        return world.mirror.meta(of).to_dict()

    def change_targets(content: dict[str, Any]) -> None:
        content["signed"]["targets"] = targets.to_dict()["targets"]

    def change_snapshot(content: dict[str, Any]) -> None:
        content["signed"]["meta"]["targets.json"] = entry("targets")

    def change_timestamp(content: dict[str, Any]) -> None:
        content["signed"]["meta"]["snapshot.json"] = entry("snapshot")

    world.mirror.alter(world.mirror.path("targets"), change_targets)
    if role != "targets":
        world.mirror.alter(world.mirror.path("snapshot"), change_snapshot)
    if role == "timestamp":
        world.mirror.alter(world.mirror.path("timestamp"), change_timestamp)
    assert world.mirror.path(role).read_bytes() != genuine[role]
    assert len(world.mirror.path(role).read_bytes()) == len(genuine[role])

    if role == "timestamp":
        world.refuses(
            ReleaseError, exceptions.UnsignedMetadataError, "timestamp was signed by 0/1 keys"
        )
    else:
        world.refuses(ReleaseError, exceptions.LengthOrHashMismatchError, "not the one that was")
    world.recovers()


@pytest.mark.parametrize("given_root", [False, True])
def test_arbitrary_software_of_another_publisher_is_refused(world, tmp_path, given_root):
    """A whole repository, in order in itself, signed by the attacker's keys alone."""
    world.publish("2.0.0", NEW)
    evil = Repository(FolderStorage(tmp_path / "evil"), Keys(tmp_path / "evil-keys"))
    evil.create()
    for version in ("1.0.0", "2.0.0", "3.0.0"):  # so that no number is lower than the real one
        evil.publish(make_release(version, EVIL))
    shutil.rmtree(world.mirror.folder)
    shutil.copytree(tmp_path / "evil", world.mirror.folder)
    root = tmp_path / "publisher/metadata/1.root.json"

    options = {"root": root} if given_root else {}
    world.refuses(
        ReleaseError,
        exceptions.UnsignedMetadataError,
        "not signed by the keys that this device trusts",
        **options,
    )
    world.recovers()


def test_arbitrary_software_is_refused_on_first_use_with_a_given_root(tmp_path, clock):
    """A device that was handed the publisher's root has nothing to believe the attacker for."""
    ours = Repository(FolderStorage(tmp_path / "ours"), Keys(tmp_path / "keys"), clock=clock)
    evil = Repository(FolderStorage(tmp_path / "evil"), Keys(tmp_path / "evil-keys"), clock=clock)
    for repository, model in ((ours, NEW), (evil, EVIL)):
        repository.create()
        repository.publish(make_release("1.0.0", model))

    def device(releases: str) -> Updates:
        return Updates(
            str(tmp_path / releases),
            tmp_path / "device",
            device_id="device-1",
            root=tmp_path / "ours/metadata/1.root.json",
            limits=LIMITS,
            clock=clock,
            self_test=lambda slot: None,
        )

    with pytest.raises(ReleaseError, match="not signed by the keys") as raised:
        device("evil").update()
    assert type(raised.value.__cause__) is exceptions.UnsignedMetadataError
    assert device("evil").slots.current() is None

    slot = device("ours").update()
    assert slot is not None and slot.model_path.read_bytes() == NEW


# --- rollback: something older than what the device has seen ---


def test_rollback_to_an_earlier_state_is_refused(world):
    """Yesterday's mirror, in order in itself: to bring back a model with a known fault."""
    yesterday = world.mirror.keep(world.folder / "yesterday")
    world.publish("2.0.0", NEW)
    world.takes("2.0.0", NEW)

    world.mirror.show(yesterday)

    error = world.refuses(
        ReleaseError, exceptions.BadVersionNumberError, "older signatures than this device has seen"
    )
    assert "timestamp version" in str(error)
    world.recovers()


def test_rollback_by_a_stolen_timestamp_key_is_refused(world):
    """A new timestamp that leads to yesterday's snapshot."""
    yesterday = world.mirror.meta("snapshot")
    world.publish("2.0.0", NEW)
    world.takes("2.0.0", NEW)
    timestamp = world.mirror.read("timestamp")
    timestamp.version += 1
    timestamp.snapshot_meta = yesterday
    world.mirror.write(timestamp, steal(world.keys, "timestamp-1").of("timestamp"))

    world.refuses(
        ReleaseError, exceptions.BadVersionNumberError, r"New snapshot version must be >= 3, got"
    )
    world.recovers()


def test_rollback_by_stolen_timestamp_and_snapshot_keys_is_refused(world):
    """A new timestamp and snapshot that lead to yesterday's list of releases."""
    yesterday = world.mirror.meta("targets")
    world.publish("2.0.0", NEW)
    world.takes("2.0.0", NEW)
    stolen = steal(world.keys, "timestamp-1", "snapshot-1")
    snapshot = world.mirror.read("snapshot")
    snapshot.version += 1
    snapshot.meta["targets.json"] = yesterday
    world.mirror.write(snapshot, stolen.of("snapshot"))
    timestamp = world.mirror.read("timestamp")
    timestamp.version += 1
    timestamp.snapshot_meta = world.mirror.meta("snapshot")
    world.mirror.write(timestamp, stolen.of("timestamp"))

    world.refuses(
        ReleaseError, exceptions.BadVersionNumberError, r"Expected targets\.json version 2, got 3"
    )
    # The attacker's timestamp was believed as such, so the publisher's has to be newer than it.
    world.publisher.publish(make_release("2.1.0", b"another model"))
    world.recovers()


# --- indefinite freeze: the device is never told that there is news ---


@pytest.mark.parametrize(
    ("stolen", "days", "what"),
    [
        ((), 4, r"timestamp\.json is expired"),
        (("timestamp-1",), 8, r"snapshot\.json is expired"),
        (("timestamp-1", "snapshot-1"), 91, "targets is expired"),
    ],
)
def test_indefinite_freeze_is_noticed(world, stolen, days, what):
    """The same state is shown for ever: it expires, also if some of its keys are stolen."""
    frozen = world.mirror.keep(world.folder / "frozen")
    world.publish("2.0.0", NEW)
    world.mirror.show(frozen)
    keys = steal(world.keys, *stolen)

    def refresh_what_is_stolen() -> None:
        """Sign again, with a new expiry, all that the keys are there for."""
        soon = world.clock() + timedelta(days=3)
        if "snapshot-1" in stolen:
            snapshot = world.mirror.read("snapshot")
            snapshot.version, snapshot.expires = snapshot.version + 1, soon
            world.mirror.write(snapshot, keys.of("snapshot"))
        if stolen:
            timestamp = world.mirror.read("timestamp")
            timestamp.version, timestamp.expires = timestamp.version + 1, soon
            timestamp.snapshot_meta = world.mirror.meta("snapshot")
            world.mirror.write(timestamp, keys.of("timestamp"))

    world.clock.move(days=2)
    refresh_what_is_stolen()
    assert world.device().update() is None  # so far it could be the truth

    world.clock.move(days=days - 2)
    refresh_what_is_stolen()
    world.refuses(ReleaseError, exceptions.ExpiredMetadataError, f"have expired .*{what}")
    # Whoever sees that says so, and for how long.
    assert world.device().offline_s() == pytest.approx((days - 2) * 86400, abs=2)

    for minor in range(3):  # so that its version numbers pass the attacker's
        world.publisher.publish(make_release(f"2.{minor + 1}.0", NEW))
    world.recovers()


def test_indefinite_freeze_by_a_clock_set_back_is_noticed(world):
    """What has expired would be good again: the device remembers what time it has seen."""
    frozen = world.mirror.keep(world.folder / "frozen")
    world.clock.move(days=10)
    world.publisher.renew()
    world.publish("2.0.0", NEW)
    world.takes("2.0.0", NEW)
    world.mirror.show(frozen)

    world.clock.move(days=-9)
    world.refuses(DownloadError, type(None), "the clock of this device says .* before the last")

    world.clock.move(days=9)
    world.recovers()


# --- endless data: a file that does not end ---


ENDLESS = [
    ("metadata/2.root.json", lambda path: path == "metadata/2.root.json"),
    ("metadata/timestamp.json", lambda path: path == "metadata/timestamp.json"),
    ("metadata/N.snapshot.json", lambda path: path.endswith(".snapshot.json")),
    ("metadata/N.targets.json", lambda path: path.endswith(".targets.json")),
    ("the channel", lambda path: path.endswith(".stable.json")),
    ("the manifest", lambda path: path.endswith(".manifest.json")),
    ("the model", lambda path: path.endswith(".model.tflite")),
    ("a golden frame", lambda path: path.endswith(".golden-0.png")),
]


@pytest.mark.parametrize("matches", [pytest.param(one, id=name) for name, one in ENDLESS])
@pytest.mark.parametrize("length", [None, 10**15])
def test_endless_data_is_cut_off(web_world, matches, length):
    """Whatever file it is, and whatever length is promised: bounded bytes, bounded time."""
    world = web_world
    assert world.server is not None
    world.publish("2.0.0", NEW)
    endless = Behaviour(matches, lambda handler: streams(handler, b" " * 65536, length=length))
    world.server.behave(endless)
    began = time.monotonic()

    world.refuses(
        DownloadError, exceptions.DownloadLengthMismatchError, "longer than the .* bytes it may"
    )

    assert time.monotonic() - began < SLACK_S
    assert endless.sent > 0, "the attack did not take place"
    assert endless.sent < SLACK_BYTES
    world.recovers()


@pytest.mark.parametrize("file", ["timestamp", "model"])
def test_endless_data_in_a_folder_is_cut_off(folder_world, file):
    """A file of a terabyte that takes no space: a folder may be a network's, or a stick."""
    world = folder_world
    world.publish("2.0.0", NEW)
    attacked = (
        world.mirror.path("timestamp")
        if file == "timestamp"
        else world.mirror.target("parts/2.0.0/*.model.tflite")
    )
    with attacked.open("r+b") as stream:
        stream.truncate(2**40)
    began = time.monotonic()

    world.refuses(
        DownloadError, exceptions.DownloadLengthMismatchError, "longer than the .* bytes it may"
    )

    assert time.monotonic() - began < SLACK_S
    world.recovers()


# --- slow retrieval: a file that comes, but never ends coming ---

IMPATIENT = replace(LIMITS, download_s=1.0)  # well below what the attackers' answers last


@pytest.mark.parametrize("answer", [drips, drips_its_head, silent])
@pytest.mark.parametrize("file", ["timestamp.json", "model.tflite"])
def test_slow_retrieval_is_given_up(web_world, answer, file):
    """A byte now and then, or none at all: the time for a file is bounded as a whole."""
    world = web_world
    assert world.server is not None
    world.publish("2.0.0", NEW)
    slow = Behaviour(lambda path: path.endswith(file), answer)
    world.server.behave(slow)
    began = time.monotonic()

    before = world.runs()
    with pytest.raises(DownloadError, match=r"came too slowly|timed out"):
        world.device(limits=IMPATIENT).update()

    assert time.monotonic() - began < SLACK_S
    assert any(path.endswith(file) for path in slow.asked), "the attack did not take place"
    assert world.runs() == before
    world.recovers()


# --- extraneous dependencies: more than the release needs ---


def test_extraneous_dependencies_in_a_manifest_are_refused(world):
    """A manifest that names one more file to fetch is another one than was signed."""
    world.publish("2.0.0", NEW)
    manifest = world.mirror.target("parts/2.0.0/*.manifest.json")

    content = json.loads(manifest.read_bytes())
    content["golden"].append({**content["golden"][0], "file": "more.bin"})
    manifest.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")

    world.refuses(
        DownloadError, exceptions.DownloadLengthMismatchError, r"manifest\.json is longer than"
    )
    world.recovers()


def test_extraneous_dependencies_that_were_not_signed_are_refused(world):
    """A signed manifest names a file that is not among the signed ones."""
    stolen = steal(world.keys, "targets-1", "targets-2", "snapshot-1", "timestamp-1")
    world.publish("2.0.0", NEW)
    targets = world.mirror.read("targets")
    del targets.targets["parts/2.0.0/golden-0.png"]
    targets.version += 1
    world.mirror.forge(stolen, targets)

    world.refuses(
        ReleaseError, type(None), r"names parts/2\.0\.0/golden-0\.png, but it was not signed"
    )


def test_extraneous_dependencies_are_never_asked_for(web_world):
    """Of all that is signed, the device fetches its own release, and nothing else."""
    world = web_world
    assert world.server is not None
    for name in ("others", "another"):
        world.publisher.publish(make_release("1.0.0", b"of no use here", name=name))
    world.publish("2.0.0", NEW)
    world.server.behave(asked := Behaviour())

    world.takes("2.0.0", NEW)

    fetched = [path for path in asked.asked if path.startswith("targets/")]
    assert len(fetched) == 4
    kinds = {path.rpartition("/")[2].split(".", 1)[1] for path in fetched}
    assert kinds == {"stable.json", "manifest.json", "model.tflite", "golden-0.png"}
    assert all("/parts/2.0.0/" in path or "/channels/" in path for path in fetched)


# --- mix and match: files of different times together ---


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        ("metadata/3.snapshot.json", "metadata/2.snapshot.json"),
        ("metadata/3.targets.json", "metadata/2.targets.json"),
        ("targets/parts/2.0.0/*.model.tflite", "targets/parts/1.0.0/*.model.tflite"),
        ("targets/parts/2.0.0/*.manifest.json", "targets/parts/1.0.0/*.manifest.json"),
    ],
)
def test_mix_and_match_is_refused(world, pattern, instead):
    """One file of yesterday, signed as it was, among those of today."""
    world.publish("2.0.0", NEW)
    (attacked,), (other,) = (
        world.mirror.folder.glob(pattern),
        world.mirror.folder.glob(instead),
    )
    assert attacked.read_bytes() != other.read_bytes()
    shutil.copy(other, attacked)

    world.refuses(
        ReleaseError, exceptions.LengthOrHashMismatchError, "is not the one that was signed"
    )
    world.recovers()


def test_mix_and_match_of_channels_is_refused(world):
    """An older list of a channel, in which what was withdrawn is still good."""
    world.publish("2.0.0", NEW)
    older = world.mirror.path("targets").read_bytes()
    listing = {path.name for path in (world.mirror.folder / "targets/channels").iterdir()}
    world.publisher.withdraw("parts", "2.0.0", "misses bolts")
    world.mirror.sync()
    channels = world.mirror.folder / "targets/channels"
    (newest,) = (
        path
        for path in channels.iterdir()
        if path.name not in listing and path.name.endswith("stable.json")
    )
    (shown,) = (
        path
        for path in channels.iterdir()
        if path.name in listing and b"2.0.0" in path.read_bytes()
    )
    assert older != world.mirror.path("targets").read_bytes()
    shutil.copy(shown, newest)

    world.refuses(ReleaseError, exceptions.LengthOrHashMismatchError, "is not the one that was")
    world.mirror.sync()
    assert world.device().update() is None  # the truth: there is nothing but the old one
    assert world.runs() == ("1.0.0", OLD)
    world.recovers()


# --- wrong software: signed, but not what was asked for ---


def test_wrong_software_is_refused(world):
    """The model of another detector, signed by the same publisher, under the name of ours."""
    world.publisher.publish(make_release("2.0.0", EVIL, name="others"))
    world.publish("2.0.0", NEW)
    ours = world.mirror.target("parts/2.0.0/*.model.tflite")
    shutil.copy(world.mirror.target("others/2.0.0/*.model.tflite"), ours)

    world.refuses(
        ReleaseError, exceptions.LengthOrHashMismatchError, "is not the one that was signed"
    )
    world.recovers()


@pytest.mark.parametrize("release", ["others/2.0.0", "parts/1.0.0"])
def test_wrong_software_signed_under_our_name_is_refused(world, release):
    """Should the publisher sign the manifest of another release in ours: the device reads it."""
    world.publisher.publish(make_release("2.0.0", EVIL, name="others"))
    world.publish("2.0.0", NEW)
    stolen = steal(world.keys, "targets-1", "targets-2", "snapshot-1", "timestamp-1")
    targets = world.mirror.read("targets")
    manifest = world.mirror.target(f"{release}/*.manifest.json").read_bytes()
    world.mirror.add_target(targets, "parts/2.0.0/manifest.json", manifest)
    targets.version += 1
    world.mirror.forge(stolen, targets)

    name, version = release.split("/")
    world.refuses(ReleaseError, type(None), rf"is the manifest of {name} {version}")


# --- malicious mirror: it serves nothing of use ---


TO_ITSELF = {"Location": "/x"}
FOR_A_YEAR = {"Retry-After": "31536000"}
MISBEHAVIOUR = {
    "nothing": (answers(404), DownloadError, "holds no whole repository"),
    "not allowed": (answers(403), DownloadError, "answers 403"),
    "an error": (answers(500), DownloadError, "answers 500"),
    "come back next year": (
        answers(503, headers=FOR_A_YEAR),
        DownloadError,
        "503",
    ),
    "another place, for ever": (
        answers(302, headers={"Location": "/x"}),
        DownloadError,
        "redirect",
    ),
    "an empty file": (answers(200), ReleaseError, "refused"),
    "garbage": (answers(200, b"\xff\x00 no JSON"), ReleaseError, "refused"),
    "half of it": (cuts_off, DownloadError, "cannot fetch"),
    "another encoding": (
        answers(200, b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}),
        ReleaseError,
        "refused",
    ),
}


@pytest.mark.parametrize("behaviour", MISBEHAVIOUR)
def test_malicious_mirror_does_not_keep_a_device_from_a_good_one(web_world, tmp_path, behaviour):
    """Whatever it answers: an error soon, and an update from another address afterwards."""
    world = web_world
    assert world.server is not None
    answer, error, message = MISBEHAVIOUR[behaviour]
    world.publish("2.0.0", NEW)

    def matches(path: str) -> bool:
        return path.endswith(("timestamp.json", "x"))

    world.server.behave(Behaviour(matches, answer))
    began = time.monotonic()
    before = world.runs()
    with pytest.raises(error, match=message):
        world.device().update()
    assert time.monotonic() - began < SLACK_S
    assert world.runs() == before

    good = WebServer(tmp_path / "publisher")
    with good.running():
        slot = world.device(releases=good.url).update()
    assert slot is not None and slot.manifest.version == "2.0.0"
    assert world.runs() == ("2.0.0", NEW)


@pytest.mark.parametrize("kind", ["model.tflite", "manifest.json", "stable.json", "golden-0.png"])
def test_malicious_mirror_that_withholds_files_changes_nothing(world, kind):
    """Signed metadata of the new release, and not the release."""
    world.publish("2.0.0", NEW)
    for path in (world.mirror.folder / "targets").rglob(f"*.{kind}"):
        path.unlink()

    error = world.refuses(DownloadError, exceptions.DownloadHTTPError, "holds no whole repository")
    assert kind in str(error)
    world.recovers()


# --- fast forward: version numbers so high that the publisher's own look old ---


def fast_forward(world: World, version: int) -> None:
    """With stolen keys of snapshot and timestamp: all numbers that they can set."""
    stolen = steal(world.keys, *ONLINE)
    snapshot = world.mirror.read("snapshot")
    snapshot.version = version
    snapshot.meta["targets.json"].version = version
    world.mirror.write(snapshot, stolen.of("snapshot"))
    timestamp = world.mirror.read("timestamp")
    timestamp.version = version
    timestamp.snapshot_meta = world.mirror.meta("snapshot")
    world.mirror.write(timestamp, stolen.of("timestamp"))


@pytest.mark.parametrize("version", [10**6, 2**63 - 1])
def test_fast_forward_is_recovered_from_by_new_keys(world, version):
    """The device believes the numbers; new keys of both roles make it believe the publisher."""
    fast_forward(world, version)
    world.refuses(DownloadError, exceptions.DownloadHTTPError, rf"{version}\.targets\.json")
    world.publish("2.0.0", NEW)
    world.refuses(
        ReleaseError,
        exceptions.BadVersionNumberError,
        rf"New timestamp version 3 must be >= {version}\).*|older .*must be >= {version}",
    )

    world.publisher.rotate("timestamp")
    world.mirror.sync()
    world.refuses(
        ReleaseError,
        exceptions.BadVersionNumberError,
        rf"Expected targets\.json version 3, got {version}",
    )

    world.publisher.rotate("snapshot")
    world.mirror.sync()
    world.takes("2.0.0", NEW)


def test_fast_forward_of_targets_is_recovered_from_by_new_keys(world):
    """All keys that are online were stolen, and the list of releases is far ahead, too."""
    stolen = steal(world.keys, "targets-1", "targets-2", *ONLINE)
    targets = world.mirror.read("targets")
    targets.version = 10**6
    world.mirror.forge(stolen, targets)
    assert world.device().update() is None  # signed by a threshold, so it was believed
    world.publisher.publish(make_release("1.5.0", b"of no interest"))
    world.publish("2.0.0", NEW)
    world.refuses(
        ReleaseError,
        exceptions.BadVersionNumberError,
        r"Expected targets\.json version 4, got 1000000",
    )

    for role in ONLINE_ROLES:
        world.publisher.rotate(role)
    world.mirror.sync()

    world.takes("2.0.0", NEW)


# --- vulnerability to key compromise: keys are stolen, fewer than the threshold ---


def forge_release(world: World, stolen: StolenKeys) -> None:
    """Slip an evil 2.0.0 in, with as many signatures as the keys allow."""
    evil = make_release("2.0.0", EVIL).contents()
    targets = world.mirror.read("targets")
    for path, content in evil.items():
        world.mirror.add_target(targets, path, content)
    world.mirror.add_target(targets, "channels/stable.json", channel_with(world, "2.0.0"))
    targets.version += 1
    world.mirror.forge(stolen, targets)


def channel_with(world: World, version: str) -> bytes:
    """The list of the stable channel with one more release."""
    channel = Channel("stable", world.publisher.releases("stable"))
    at = "2026-01-31T12:00:00Z"
    return channel.with_release(ChannelRelease("parts", version, 1.0, at)).to_json()


@pytest.mark.parametrize("names", [ONLINE, ("targets-1", *ONLINE), ("targets-2", *ONLINE)])
def test_key_compromise_below_the_threshold_of_targets_is_refused(world, names):
    """The keys that renew every day, and one of the two that sign releases."""
    forge_release(world, steal(world.keys, *names))

    count = len(names) - len(ONLINE)
    world.refuses(
        ReleaseError, exceptions.UnsignedMetadataError, f"targets was signed by {count}/2 keys"
    )
    world.publisher.publish(make_release("2.0.0", NEW))
    world.publisher.publish(make_release("2.1.0", NEW))
    world.recovers()


def test_key_compromise_at_the_threshold_shows_that_the_forgery_is_right(world):
    """The control of the test above: with both keys the attacker wins, until they are replaced."""
    everything = steal(world.keys, "targets-1", "targets-2", *ONLINE)
    forge_release(world, everything)
    world.takes("2.0.0", EVIL)

    for role in ("targets", "snapshot", "timestamp"):
        world.publisher.rotate(role)
    world.publish("3.0.0", NEW)
    world.takes("3.0.0", NEW)
    forge_release(world, everything)
    world.refuses(
        ReleaseError, exceptions.UnsignedMetadataError, "timestamp was signed by 0/1 keys"
    )


def test_key_compromise_is_not_helped_by_signing_twice(world):
    """One stolen key, under its own id and under that of the other one."""
    stolen = steal(world.keys, "targets-1", *ONLINE)
    (key,) = stolen.of("targets")
    (other,) = steal(world.keys, "targets-2").of("targets")
    forge_release(world, stolen)

    def sign_again(content: dict[str, Any]) -> None:
        (signature,) = content["signatures"]
        assert signature["keyid"] == key.public_key.keyid
        content["signatures"].append({**signature, "keyid": other.public_key.keyid})

    world.mirror.alter(world.mirror.path("targets"), sign_again)
    snapshot, timestamp = world.mirror.read("snapshot"), world.mirror.read("timestamp")
    snapshot.meta["targets.json"] = world.mirror.meta("targets")
    world.mirror.write(snapshot, stolen.of("snapshot"))
    timestamp.snapshot_meta = world.mirror.meta("snapshot")
    world.mirror.write(timestamp, stolen.of("timestamp"))

    world.refuses(ReleaseError, exceptions.UnsignedMetadataError, "targets was signed by 1/2 keys")


def forge_root(world: World, stolen: StolenKeys) -> list[CryptoSigner]:
    """Show a second root in which all keys are the attacker's; gives those."""
    root: Root = Metadata.from_bytes(world.mirror.path("root").read_bytes()).signed
    root = deepcopy(root)
    root.version += 1
    own = [CryptoSigner.generate_ed25519() for _ in range(2)]
    for role in ("root", "targets", "snapshot", "timestamp"):
        for keyid in tuple(root.roles[role].keyids):
            root.revoke_key(keyid, role)
        for key in own:
            root.add_key(key.public_key, role)
    signers = [*stolen.of("root"), *own]
    (world.mirror.folder / f"metadata/{root.version}.root.json").write_bytes(
        signed_bytes(root, signers)
    )
    return own


@pytest.mark.parametrize("names", [(), ("root-1",), ("root-3",)])
def test_key_compromise_below_the_threshold_of_root_is_refused(world, names):
    """A new root by which the attacker would own the device for ever."""
    forge_root(world, steal(world.keys, *names))

    world.refuses(
        ReleaseError, exceptions.UnsignedMetadataError, f"root was signed by {len(names)}/2 keys"
    )
    world.publisher.rotate("root")
    world.recovers()


def test_key_compromise_at_the_threshold_of_root_shows_that_the_forgery_is_right(world):
    """The control of the test above: two keys of root are the whole trust."""
    own = forge_root(world, steal(world.keys, "root-1", "root-2"))
    targets = world.mirror.read("targets")
    for path, content in make_release("2.0.0", EVIL).contents().items():
        world.mirror.add_target(targets, path, content)
    world.mirror.add_target(targets, "channels/stable.json", channel_with(world, "2.0.0"))
    targets.version += 1
    keys = {f"{role}-{n}": key for role in ("targets", *ONLINE) for n, key in enumerate(own)}
    keys = {name.replace("-1-", "-"): key for name, key in keys.items()}
    world.mirror.forge(StolenKeys(keys), targets)

    world.takes("2.0.0", EVIL)


@pytest.mark.parametrize("role", ["root", "targets"])
def test_key_compromise_is_ended_by_a_rotation(world, role):
    """Keys that were replaced sign nothing that a device believes."""
    old = steal(world.keys, "root-1", "root-2", "root-3", "targets-1", "targets-2", *ONLINE)
    world.publisher.rotate(role)
    world.mirror.sync()
    assert world.device().update() is None  # it has followed

    if role == "root":
        forge_root(world, old)
        message = "root was signed by 0/2 keys"
    else:
        forge_release(world, old)
        message = "targets was signed by 0/2 keys"
    world.refuses(ReleaseError, exceptions.UnsignedMetadataError, message)
