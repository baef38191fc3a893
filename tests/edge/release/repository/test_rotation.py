"""Keys in drawers, rotation and renewal: devices follow, and errors name the missing file."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from edge.release.errors import RepositoryError
from edge.release.repository.keys import Keys
from edge.release.repository.lifetimes import Lifetimes
from edge.release.repository.repository import Repository
from edge.release.repository.signing import MissingKeys
from tests.edge.release.reader import Reader
from tests.edge.release.storages import WriterKilled, dying_storage
from tests.edge.releases import Clock, folder_of, make_release, make_repository, open_repository

ROLES = ("root", "targets", "snapshot", "timestamp")


def hide_keys(path: Path, pattern: str) -> Callable[[], None]:
    """Take keys to a drawer; gives what brings them back."""
    drawer = path / "drawer"
    drawer.mkdir(exist_ok=True)
    moved = [file.rename(drawer / file.name) for file in (path / "keys").glob(pattern)]

    def bring_back() -> None:
        for file in moved:
            file.rename(path / "keys" / file.name)

    return bring_back


def test_publishing_works_without_the_keys_of_root(tmp_path):
    """They lie in a drawer; so does everyday renewal."""
    clock = Clock()
    repository = make_repository(tmp_path, clock)
    hide_keys(tmp_path, "root-*")
    clock.move(days=2)

    repository.publish(make_release())
    clock.move(days=2)
    renewal = repository.renew()

    assert renewal.written and renewal.warnings == ()
    assert Reader(folder_of(tmp_path), tmp_path / "reader", clock).look().versions() == ["1.0.0"]


def test_rotation_needs_two_keys_of_root(tmp_path):
    """The error names the files that are missing; no key was made, nothing was written."""
    repository = make_repository(tmp_path)
    before = repository.status()
    hide_keys(tmp_path, "root-[13].pem")
    for role in ROLES:
        with pytest.raises(MissingKeys, match=r"root-1\.pem, root-3\.pem are not in .*2 of 3"):
            repository.rotate(role)

    assert repository.status() == before
    assert len(list((tmp_path / "keys").iterdir())) == 5


def test_two_keys_of_root_are_enough(tmp_path):
    """One of three may be lost; the next rotation replaces it, too."""
    repository = make_repository(tmp_path)
    reader = Reader(folder_of(tmp_path), tmp_path / "reader")
    hide_keys(tmp_path, "root-2.pem")

    assert repository.rotate("root") == ("root-4", "root-5", "root-6")
    hide_keys(tmp_path, "root-[123].pem")
    assert repository.rotate("targets") == ("targets-3", "targets-4")
    repository.publish(make_release())

    assert reader.look().versions() == ["1.0.0"]


@pytest.mark.parametrize("name", ["targets-2", "snapshot-1", "timestamp-1"])
def test_publishing_without_a_key_names_its_file(tmp_path, name):
    """And writes nothing, not even the model."""
    repository = make_repository(tmp_path)
    hide_keys(tmp_path, f"{name}.pem")
    before = {file.name for file in (tmp_path / "releases").rglob("*")}

    with pytest.raises(MissingKeys, match=rf"{name}\.pem is not in .*keys"):
        repository.publish(make_release())

    assert {file.name for file in (tmp_path / "releases").rglob("*")} == before


def test_keys_of_another_repository_are_refused(tmp_path):
    """Files of the right names with other keys in them."""
    make_repository(tmp_path / "ours")
    make_repository(tmp_path / "theirs")
    mixed = Repository(folder_of(tmp_path / "ours"), Keys(tmp_path / "theirs" / "keys"))

    with pytest.raises(MissingKeys, match=r"targets-1\.pem, targets-2\.pem are not in .*not the r"):
        mixed.publish(make_release())
    with pytest.raises(MissingKeys, match=r"root-1\.pem, root-2\.pem, root-3\.pem are not in"):
        mixed.rotate("timestamp")


def test_clients_follow_many_rotations_from_the_first_root(tmp_path):
    """A device that slept through all of them, and one that saw each."""
    repository = make_repository(tmp_path)
    repository.publish(make_release("1.0.0"))
    awake = Reader(folder_of(tmp_path), tmp_path / "awake")
    asleep = Reader(folder_of(tmp_path), tmp_path / "asleep")
    asleep.look()
    for role in (*ROLES, *ROLES):
        repository.rotate(role)
        assert awake.look().versions() == ["1.0.0"]
    repository.publish(make_release("1.1.0"))

    assert repository.status().roles[0].version == 9
    assert repository.status().roles[0].keys == ("root-7", "root-8", "root-9")
    newborn = Reader(folder_of(tmp_path), tmp_path / "newborn")
    for reader in (awake, asleep, newborn):
        assert reader.look().versions() == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("role", ROLES)
def test_new_root_is_signed_by_old_and_new_keys(role, tmp_path):
    """As the specification asks: by a threshold of each; other roles keep their keys."""
    repository = make_repository(tmp_path)
    repository.rotate(role)

    first, second = (
        json.loads((tmp_path / f"releases/metadata/{version}.root.json").read_bytes())
        for version in (1, 2)
    )
    signed_by = {signature["keyid"] for signature in second["signatures"]}
    for root in (first, second):
        of_root = root["signed"]["roles"]["root"]
        assert len(signed_by & set(of_root["keyids"])) >= of_root["threshold"] == 2
    for other in ROLES:
        before, after = (set(root["signed"]["roles"][other]["keyids"]) for root in (first, second))
        assert (before & after == set()) if other == role else (before == after)
    thresholds = {name: one["threshold"] for name, one in second["signed"]["roles"].items()}
    assert thresholds == {"root": 2, "targets": 2, "snapshot": 1, "timestamp": 1}


def test_replaced_keys_are_not_needed_any_more(tmp_path):
    """All first ones may be destroyed."""
    repository = make_repository(tmp_path)
    for role in ROLES:
        repository.rotate(role)
    hide_keys(tmp_path, "root-[123].pem")
    hide_keys(tmp_path, "targets-[12].pem")
    hide_keys(tmp_path, "*-1.pem")

    repository.publish(make_release())
    repository.rotate("root")

    assert Reader(folder_of(tmp_path), tmp_path / "reader").look().versions() == ["1.0.0"]


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_lost_key_is_replaced_with_the_keys_of_root(role, tmp_path):
    """A disk is gone: devices wait for a moment at most, and then go on."""
    make_repository(tmp_path).publish(make_release("1.0.0"))
    reader = Reader(folder_of(tmp_path), tmp_path / "reader")
    reader.look()
    for file in (tmp_path / "keys").glob(f"{role}-*"):
        file.unlink()

    open_repository(tmp_path).rotate(role)
    open_repository(tmp_path).publish(make_release("2.0.0"))

    assert reader.look().versions() == ["1.0.0", "2.0.0"]


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_replacement_of_a_lost_key_is_finished_after_a_kill(role, tmp_path):
    """The new root is there and the rest is not: the next publisher signs it first."""
    for writes in count():
        home = tmp_path / str(writes)
        make_repository(home).publish(make_release("1.0.0"))
        reader = Reader(folder_of(home), home / "reader")
        reader.look()
        for file in (home / "keys").glob(f"{role}-*"):
            file.unlink()
        try:
            Repository(dying_storage(folder_of(home), writes), Keys(home / "keys")).rotate(role)
        except WriterKilled:
            pass
        else:
            break
        if writes == 0:  # the new keys were made, and nothing more: the rotation is to be repeated
            open_repository(home).rotate(role)
        open_repository(home).rotate("root")  # which must not leave the old ones behind
        open_repository(home).publish(make_release("2.0.0"))
        assert reader.look().versions() == ["1.0.0", "2.0.0"]
    assert writes >= 2


def test_daily_renewal_keeps_everything_fresh(tmp_path):
    """With every tenth day missed: nothing expires, and little is written."""
    clock = Clock()
    lifetimes = Lifetimes(root=timedelta(days=60), targets=timedelta(days=30))
    repository = Repository(folder_of(tmp_path), Keys(tmp_path / "keys"), lifetimes, clock)
    repository.create()
    repository.publish(make_release())
    reader = Reader(folder_of(tmp_path), tmp_path / "reader", clock)
    for day in range(100):
        clock.move(days=1)
        if day % 10 != 5:
            assert repository.renew().warnings == ()
        if day % 10 in (5, 6):
            assert reader.look().versions() == ["1.0.0"]

    root, targets, snapshot, timestamp = repository.status().roles
    assert 2 <= root.version <= 3
    assert 7 <= targets.version <= 9
    assert 20 <= snapshot.version <= 35
    assert timestamp.version <= 102


def test_renewal_is_idempotent(tmp_path):
    """Twice on one day is once; and it changes nothing but versions and expiry."""
    clock = Clock()
    repository = make_repository(tmp_path, clock)
    repository.publish(make_release())
    assert repository.renew().written == ()

    clock.move(days=1)
    assert repository.renew().written == ("metadata/timestamp.json",)
    assert repository.renew().written == ()
    clock.move(days=4)  # the timestamp has expired, and is still gone on from
    assert repository.renew().written == ("metadata/3.snapshot.json", "metadata/timestamp.json")
    clock.move(days=60)
    assert repository.renew().written == (
        "metadata/3.targets.json",
        "metadata/4.snapshot.json",
        "metadata/timestamp.json",
    )
    assert [release.version for release in repository.releases("stable")] == ["1.0.0"]


def test_renewal_without_keys_warns_until_it_is_too_late(tmp_path):
    """It names what expires, when, and the files that are missing; the rest is renewed."""
    clock = Clock()
    repository = make_repository(tmp_path, clock)
    bring_back = hide_keys(tmp_path, "root-*")
    hide_targets = hide_keys(tmp_path, "targets-1.pem")
    clock.move(days=50)
    renewal = repository.renew()
    (warning,) = renewal.warnings
    assert "targets expires on" in warning and "targets-1.pem is not in" in warning
    assert "metadata/timestamp.json" in renewal.written

    hide_targets()
    clock.move(days=260)
    renewal = repository.renew()
    (warning,) = renewal.warnings
    assert "root expires on" in warning and "root-1.pem, root-2.pem, root-3.pem are" in warning
    assert "metadata/3.targets.json" in renewal.written or renewal.written

    clock.move(days=60)
    with pytest.raises(MissingKeys, match=r"root-1\.pem"):
        repository.renew()
    with pytest.raises(RepositoryError, match="root expired on"):
        repository.publish(make_release())

    bring_back()
    assert "metadata/2.root.json" in repository.renew().written
    repository.publish(make_release())
    assert Reader(folder_of(tmp_path), tmp_path / "reader", clock).look().versions() == ["1.0.0"]


def test_lifetimes_are_a_choice(tmp_path):
    """Shorter ones bound how long a device can be kept in the dark."""
    clock = Clock()
    hours = timedelta(hours=6)
    repository = Repository(
        folder_of(tmp_path), Keys(tmp_path / "keys"), Lifetimes(timestamp=hours), clock
    )
    repository.create()

    assert repository.status().roles[3].expires == (clock() + hours).replace(microsecond=0)


def test_rotation_killed_at_any_write_does_not_hinder_publishing(tmp_path):
    """Whatever state it leaves, the next publication is read by old and new devices."""
    for role in ROLES:
        for writes in count():
            home = tmp_path / f"{role}-{writes}"
            make_repository(home).publish(make_release("1.0.0"))
            returning = Reader(folder_of(home), home / "returning")
            returning.look()
            try:
                dying = dying_storage(folder_of(home), writes)
                Repository(dying, Keys(home / "keys")).rotate(role)
            except WriterKilled:
                pass
            else:
                break
            open_repository(home).publish(make_release("2.0.0", b"new"))
            assert returning.look().versions() == ["1.0.0", "2.0.0"]
            new_reader = Reader(folder_of(home), home / "new")
            assert new_reader.look().versions() == ["1.0.0", "2.0.0"]
