"""The release repository: signatures, expiry, the files of releases, and the keys that sign."""

import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.operations.doctor.check import Check, absent, fault, ok
from tasks.operations.troubles import EXPIRES
from tasks.settings import Settings

if TYPE_CHECKING:  # the extra edge may not be installed
    from edge.release.repository.keys import Keys
    from edge.release.repository.state import State
    from edge.release.repository.storage import Storage

PUBLISH = "triptych publish-detector --model bundled"
RENEW = "triptych manage-releases --renew"
_NO_NEWS = "devices take nothing whose signatures have expired; they go on with theirs"


def check_bundled(file: Path | None = None) -> Check:
    """The detector that came along: an archive that knows its checksums.

    file: another one than that.
    """
    from edge.release.publishing.request import BUNDLED_FOLDER

    file = file or BUNDLED_FOLDER / "model.keras"
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        damaged = str(error)
    if damaged is None:
        return ok("detector", f"{file.parent.name}: its checksums")
    return fault(
        "detector",
        f"{file} is damaged: {damaged}",
        "the bundled detector cannot be published",
        "git checkout edge/release/models, or install this again",
    )


def check_releases(settings: Settings, now: datetime) -> Iterator[Check]:
    """What the root of trust has signed, until when, and whether devices could take it."""
    from edge.release.errors import PublisherError
    from edge.release.repository.address import open_storage
    from edge.release.repository.keys import Keys
    from edge.release.repository.state import read_state

    try:
        storage = open_storage(settings.releases_url)
        state = read_state(storage)
    except PublisherError as error:
        cure = "bring the file back from a back-up; then triptych manage-releases --list-releases"
        yield fault("releases", str(error), "devices get no update", cure)
        return
    if state is None:
        yield absent("releases", f"no release; type: {PUBLISH}")
        return
    signed = (state.root, state.targets, state.snapshot, state.timestamp)
    yield from judge_expiry({one.type: one.expires for one in signed}, now)
    yield from _check_targets(storage, state)
    yield from _check_keys(Keys(settings.release_keys), state)


def judge_expiry(expires: Mapping[str, datetime], now: datetime) -> Iterator[Check]:
    """Which signatures have expired, or will before long."""
    faults = 0
    for role, until in expires.items():
        left, when = until - now, f"{until:%Y-%m-%d %H:%M} UTC"
        cure = RENEW if role != "root" else f"copy the keys root-*.pem here, then {RENEW}"
        if left <= timedelta():
            faults += 1
            told = f"the signature of {role} has expired ({when}; the clock says {now:%Y-%m-%d})"
            yield fault("releases", told, _NO_NEWS, f"{cure}; if the clock is ahead, set it")
        elif left < EXPIRES.get(role, timedelta(hours=12)):
            faults += 1
            told = f"the signature of {role} expires soon ({when})"
            yield fault("releases", told, "devices take nothing afterwards", cure)
    if not faults:
        first = min(expires, key=lambda role: expires[role])
        yield ok("releases", f"signed; {first} expires first, {expires[first]:%Y-%m-%d %H:%M} UTC")


def _check_targets(storage: "Storage", state: "State") -> Iterator[Check]:
    """Every file of every release that is not withdrawn, against the digest that was signed."""
    from edge_detector.contract.channel import CHANNELS

    from edge.release.errors import PublisherError
    from edge.release.repository.state import read_channel, release_fault

    releases: dict[tuple[str, str], None] = {}
    for channel in CHANNELS:
        try:
            listed = read_channel(storage, state, channel).releases
        except PublisherError as error:
            cure = "bring it back from a back-up"
            yield fault("releases", str(error), f"devices of {channel} get no update", cure)
            continue
        releases |= {one.release: None for one in listed if one.withdrawn is None}
    whole = []
    for name, version in releases:
        if (why := release_fault(storage, state, name, version)) is None:
            whole.append(f"{name} {version}")
            continue
        yield fault(
            "releases",
            f"{name} {version}: {why}",
            "no device can take it",
            f"bring the file back from a back-up; or triptych rollback release --name {name}:"
            " devices go to the one before",
        )
    if whole:
        yield ok("releases", f"as they were signed: {', '.join(whole[-5:])}")


def _check_keys(keys: "Keys", state: "State") -> Iterator[Check]:
    """Whether the roles that renew every day can be signed here."""
    from edge.release.errors import OpenKeysError, PublisherError
    from edge.release.repository.signing import MissingKeys, signing_keys

    elsewhere = []
    for role in ("root", "targets", "snapshot", "timestamp"):
        try:
            signing_keys(role, state.root, keys)
        except MissingKeys:
            elsewhere.append(role)
        except OpenKeysError:  # that is told of permissions
            return
        except PublisherError as error:
            cure = "bring the key back from a back-up, or move the file away"
            yield fault("keys", str(error), "nothing can be signed", cure)
            return
    if elsewhere and elsewhere != ["root"]:
        told = f"the keys of {', '.join(elsewhere)} are not in {keys.folder}"
        yield ok("keys", f"{told}: whoever has them renews")
    else:
        here = "all" if not elsewhere else "all but root, which belong in a drawer"
        yield ok("keys", f"{here} are in {keys.folder}")
