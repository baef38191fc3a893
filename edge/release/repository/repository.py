"""The release repository: signed releases that any web server can hand to devices (TUF).

It lies in a storage as `metadata/` and `targets/`, with consistent snapshots. A change writes the
files of a release first, then `N.targets.json`, `N.snapshot.json`, and `timestamp.json` at the end;
what was there stays. So a device that reads in the middle sees the old release whole, and a
publisher that is killed leaves nothing that counts: the next one passes over its version numbers.

A release never changes: the same name and version with another content is refused.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from edge_detector.contract.channel import CHANNELS, ChannelRelease
from edge_detector.contract.manifest import MANIFEST_FILE, Manifest
from edge_detector.errors import SchemaError
from tuf.api.metadata import Root, Signed

from edge.release.errors import RepositoryError
from edge.release.repository.channel import Channel, check_channel, check_share, version_key
from edge.release.repository.keys import QUORUMS, Keys, key_number
from edge.release.repository.lifetimes import Lifetimes
from edge.release.repository.publication import Release, channel_file, release_folder
from edge.release.repository.signing import MissingKeys, role_keys, signing_keys
from edge.release.repository.state import (
    TIMESTAMP,
    State,
    check_whole,
    listed_targets,
    read_channel,
    read_roots,
    read_state,
    read_target,
    release_fault,
    release_files,
)
from edge.release.repository.status import Status, role_statuses
from edge.release.repository.storage import FolderStorage, Storage
from edge.release.repository.writer import Writer, target_files


@dataclass(frozen=True)
class Renewal:
    """written: new metadata files; warnings: what a person has to do, and by when."""

    written: tuple[str, ...]
    warnings: tuple[str, ...]


def utc_now() -> datetime:
    """The clock of a repository."""
    return datetime.now(UTC)


class Repository:
    """Signed releases in a storage, and the keys that sign them.

    Raises: RepositoryError: of every method: the storage, what is in it, or the keys cannot be
        used, or another publisher is at work.
    """

    def __init__(
        self,
        storage: Storage,
        keys: Keys,
        lifetimes: Lifetimes | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if isinstance(storage, FolderStorage):
            keys.check_apart(storage.folder)
        self._storage = storage
        self._keys = keys
        self._lifetimes = lifetimes or Lifetimes()
        self._clock = clock
        self._writer = Writer(storage, keys, self._lifetimes, clock)

    def create(self) -> bool:
        """Make keys and an empty repository; whether there was none before.

        Where an earlier call was killed, this one goes on from there.
        """
        with self._storage.lock():
            if read_state(self._storage) is not None:
                return False
            self._check_never_used()
            roots, _ = read_roots(self._storage)
            root = roots[-1] if roots else self._writer.first_root()
            self._writer.create(root, _lists(Channel(name) for name in CHANNELS))
            return True

    def publish(self, release: Release, channel: str = "stable", share: float = 1.0) -> bool:
        """Publish a release into a channel; whether anything changed.

        Args:
            release: what is published.
            channel: stable or canary.
            share: part of the channel's devices that may take it, 0 to 1.
        """
        check_channel(channel)
        check_share(share)
        name, version = release.manifest.name, release.manifest.version
        contents = release.contents()
        with self._writer.changing() as state:
            known = release_files(state, name, version)
            if known and known != target_files(contents):
                raise RepositoryError(
                    f"{name} {version} is published already, with another content: a release "
                    "never changes, give this one a higher version"
                )
            if not known:
                self._check_newest(state, name, version)
            listed = self._with(state, channel, name, version, share)
            return self._writer.change(state, {**contents, **_lists([listed])})

    def promote(self, name: str, version: str, channel: str, share: float = 1.0) -> bool:
        """Put a published release into another channel; whether anything changed.

        Raises: RepositoryError: a file of it is missing or damaged: devices could not take it.
        """
        check_channel(channel)
        check_share(share)
        with self._writer.changing() as state:
            if not release_files(state, name, version):
                raise RepositoryError(f"{name} {version} is not published: publish it first")
            if share > 0:
                check_whole(self._storage, state, name, version)
            listed = self._with(state, channel, name, version, share)
            return self._writer.change(state, _lists([listed]))

    def share(self, name: str, version: str, channel: str, share: float) -> bool:
        """Let another share of a channel's devices take a release; whether anything changed.

        Raises: RepositoryError: more devices were to take it, and a file is missing or damaged.
        """
        check_channel(channel)
        with self._writer.changing() as state:
            listed = read_channel(self._storage, state, channel)
            before = listed.find(name, version)
            listed = listed.with_share(name, version, share)
            if before is not None and share > before.share:
                check_whole(self._storage, state, name, version)
            return self._writer.change(state, _lists([listed]))

    def withdraw(self, name: str, version: str, reason: str) -> bool:
        """Take a release back from every channel; whether anything changed.

        Devices that run it go to the newest other release that they may take (`successors`). Its
        files stay, and may be damaged: taking back works always.
        """
        with self._writer.changing() as state:
            channels = self._channels(state)
            listing = [channel for channel in channels if channel.find(name, version)]
            if not listing:
                listed = {" ".join(one.release) for other in channels for one in other.releases}
                known = ", ".join(sorted(listed)) or "nothing"
                raise RepositoryError(f"no {name} {version} is published; there is {known}")
            changed = (channel.without(name, version, reason) for channel in listing)
            return self._writer.change(state, _lists(changed))

    def restore(self, name: str, version: str) -> bool:
        """Offer a withdrawn release again, as it was, in all its channels; whether that is new."""
        with self._writer.changing() as state:
            check_whole(self._storage, state, name, version)
            listing = [one for one in self._channels(state) if one.find(name, version)]
            return self._writer.change(state, _lists(c.with_again(name, version) for c in listing))

    def fault(self, name: str, version: str) -> str | None:
        """Why devices cannot take a release, whether it is offered or not; None: they can."""
        return release_fault(self._storage, self._writer.state(), name, version)

    def successors(self, name: str) -> dict[str, str | None]:
        """The newest release that each channel offers, and why devices cannot take it, if so."""
        state = self._writer.state()
        newest = filter(None, (channel.newest(name) for channel in self._channels(state)))
        return {
            f"{name} {release.version}": release_fault(self._storage, state, name, release.version)
            for release in newest
        }

    def rotate(self, role: str) -> tuple[str, ...]:
        """Replace all keys of a role by new ones; the names of their files.

        Devices follow from root to root, and nothing they read in between is refused, as long
        as a threshold of the old keys is here. The old files stay; nothing needs them any more.
        """
        if role not in QUORUMS:
            raise RepositoryError(f"no role {role!r}: use {', '.join(QUORUMS)}")
        with self._writer.changing() as state:
            signing_keys("root", state.root, self._keys)  # or else no key is made
            newest = max(key_number(key) for key in role_keys(role, state.root))
            keys = self._keys.make(role, after=newest)
            self._writer.hand_over(state, role, keys)
            return tuple(key.name for key in keys)

    def renew(self) -> Renewal:
        """Sign again what will expire before long; meant for every day.

        Roles whose keys are not here are passed over with a warning until they expire.
        """
        written: list[str] = []
        warnings: list[str] = []
        with self._writer.changing(expired=True) as state:
            if self._is_due(state.root, warnings, state.root):
                state, file = self._writer.renew_root(state)
                written.append(file)
            signed = (state.targets, state.snapshot, state.timestamp)
            if roles := [role.type for role in signed if self._is_due(role, warnings, state.root)]:
                change = self._writer.sign(state, roles, (state.root,))
                written += self._writer.write(change, state)
        return Renewal(tuple(written), tuple(warnings))

    def releases(self, channel: str) -> tuple[ChannelRelease, ...]:
        """What a channel lists, oldest first; nothing where there is no repository."""
        check_channel(channel)
        state = read_state(self._storage)
        return read_channel(self._storage, state, channel).releases if state else ()

    def manifest(self, name: str, version: str) -> Manifest:
        """The manifest of a published release."""
        path = f"{release_folder(name, version)}/{MANIFEST_FILE}"
        content = read_target(self._storage, self._writer.state(), path)
        if content is None:
            raise RepositoryError(f"{name} {version} is not published")
        try:
            return Manifest.from_json(content)
        except SchemaError as error:
            raise RepositoryError(f"{path} cannot be read: {error}") from error

    def status(self) -> Status:
        """Versions, expiry and keys of each role, and what the channels list."""
        state = self._writer.state()
        return Status(
            url=self._storage.url,
            fingerprint=state.fingerprint,
            roles=role_statuses(state),
            channels={channel.name: channel.releases for channel in self._channels(state)},
        )

    def _channels(self, state: State) -> list[Channel]:
        return [read_channel(self._storage, state, name) for name in CHANNELS]

    def _with(self, state: State, channel: str, name: str, version: str, share: float) -> Channel:
        """The channel with a release that may be listed there already."""
        channels = self._channels(state)
        for release in filter(None, (other.find(name, version) for other in channels)):
            if release.withdrawn is not None:
                raise RepositoryError(
                    f"{name} {version} was withdrawn ({release.withdrawn}): publish a new version"
                )
        listed = next(other for other in channels if other.name == channel)
        if listed.find(name, version):
            return listed.with_share(name, version, share)
        at = f"{self._clock():%Y-%m-%dT%H:%M:%SZ}"
        return listed.with_release(ChannelRelease(name, version, share, at))

    def _is_due(self, signed: Signed, warnings: list[str], root: Root) -> bool:
        """Whether it is time to sign a role again; without its keys, a warning says so."""
        if not self._lifetimes.is_due(signed.type, signed.expires - self._clock()):
            return False
        try:
            signing_keys(signed.type, root, self._keys)
        except MissingKeys as error:
            if signed.is_expired(self._clock()):
                raise
            warnings.append(f"{signed.type} expires on {signed.expires:%Y-%m-%d}: {error}")
            return False
        return True

    def _check_newest(self, state: State, name: str, version: str) -> None:
        others = {
            path.split("/")[1] for path in state.targets.targets if path.startswith(f"{name}/")
        }
        newest = max(others, key=version_key, default=None)
        if newest is not None and version_key(version) < version_key(newest):
            raise RepositoryError(
                f"{name} {version} is older than {newest}, which is published: raise the version"
            )

    def _check_never_used(self) -> None:
        """No first repository is made where there has been one."""
        for version in count(1):
            file = f"metadata/{version}.targets.json"
            content = self._storage.read(file)
            if content is None:
                return
            if not set(listed_targets(content)) <= {channel_file(name) for name in CHANNELS}:
                raise RepositoryError(
                    f"{self._storage.url}/{TIMESTAMP} is missing although {file} lists releases: "
                    "bring it back from a copy"
                )


def _lists(channels: Iterable[Channel]) -> dict[str, bytes]:
    """The lists of channels, by their paths."""
    return {channel_file(channel.name): channel.to_json() for channel in channels}
