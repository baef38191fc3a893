"""What a repository holds now: that which its `timestamp.json` leads to, verified.

Files that nothing leads to were left by a publisher that was killed; no device has seen them.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from edge.release.errors import RepositoryError
from edge.release.repository.channel import Channel
from edge.release.repository.publication import channel_file, release_folder
from edge.release.repository.signing import read_role, read_root
from edge.release.repository.storage import Storage

TIMESTAMP = "metadata/timestamp.json"
T = TypeVar("T", Snapshot, Targets, Timestamp)


@dataclass(frozen=True)
class State:
    """The metadata that is current.

    fingerprint: sha256 of the first root, which devices pin.
    stale: roles that keys of the root before this one have signed: a rotation was interrupted.
    raw_timestamp: the file as it was read.
    """

    root: Root
    fingerprint: str
    targets: Targets
    snapshot: Snapshot
    timestamp: Timestamp
    raw_timestamp: bytes
    stale: frozenset[str]


def read_roots(storage: Storage) -> tuple[tuple[Root, ...], str]:
    """All roots, oldest first, and the fingerprint of the first one.

    Raises: RepositoryError: one is damaged, or not signed by the keys of the one before it.
    """
    roots: list[Root] = []
    fingerprint = ""
    for version in count(1):
        content = storage.read(f"metadata/{version}.root.json")
        if content is None:
            break
        fingerprint = fingerprint or hashlib.sha256(content).hexdigest()
        roots.append(read_root(content, roots[-1] if roots else None))
    return tuple(roots), fingerprint


def read_state(storage: Storage) -> State | None:
    """What the repository holds, or None where there is none.

    Raises: RepositoryError: a file is missing, damaged, or not signed as it must be.
    """
    raw_timestamp = storage.read(TIMESTAMP)
    if raw_timestamp is None:
        return None
    roots, fingerprint = read_roots(storage)
    if not roots:
        raise RepositoryError(f"{storage.url}/metadata/1.root.json is missing")
    timestamp, old_timestamp = _accept(Timestamp, raw_timestamp, roots)
    raw_snapshot = _verified(
        storage,
        f"metadata/{timestamp.snapshot_meta.version}.snapshot.json",
        timestamp.snapshot_meta,
    )
    snapshot, old_snapshot = _accept(Snapshot, raw_snapshot, roots)
    targets_meta = snapshot.meta["targets.json"]
    raw_targets = _verified(storage, f"metadata/{targets_meta.version}.targets.json", targets_meta)
    targets, old_targets = _accept(Targets, raw_targets, roots)
    old = {"timestamp": old_timestamp, "snapshot": old_snapshot, "targets": old_targets}
    return State(
        root=roots[-1],
        fingerprint=fingerprint,
        targets=targets,
        snapshot=snapshot,
        timestamp=timestamp,
        raw_timestamp=raw_timestamp,
        stale=frozenset(role for role, is_old in old.items() if is_old),
    )


def read_target(storage: Storage, state: State, path: str) -> bytes | None:
    """A target's content, or None where the repository lists no such target.

    Raises: RepositoryError: it is missing or damaged.
    """
    target = state.targets.targets.get(path)
    if target is None:
        return None
    return _verified(storage, target_file(target), target)


def read_channel(storage: Storage, state: State, name: str) -> Channel:
    """A channel; empty where nothing was ever published into it."""
    content = read_target(storage, state, channel_file(name))
    return Channel(name) if content is None else Channel.from_json(name, content)


def release_files(state: State, name: str, version: str) -> dict[str, TargetFile]:
    """The files of a published release; none where it is not published."""
    folder = f"{release_folder(name, version)}/"
    targets = state.targets.targets.items()
    return {path: target for path, target in targets if path.startswith(folder)}


def release_fault(storage: Storage, state: State, name: str, version: str) -> str | None:
    """What is missing or damaged of a published release, so that no device could take it."""
    try:
        for path in release_files(state, name, version):
            read_target(storage, state, path)
    except RepositoryError as error:
        return str(error)
    return None


def check_whole(storage: Storage, state: State, name: str, version: str) -> None:
    """Raises: RepositoryError: a file of a published release is missing or damaged."""
    if (fault := release_fault(storage, state, name, version)) is not None:
        raise RepositoryError(
            f"devices could not take {name} {version}, and nothing was changed: {fault}, or"
            " publish the same release again"
        )


def listed_targets(content: bytes) -> frozenset[str]:
    """The targets of a file `N.targets.json`; its signatures are not checked.

    Raises: RepositoryError: it is no such file.
    """
    try:
        return frozenset(json.loads(content)["signed"]["targets"])
    except (ValueError, KeyError, TypeError) as error:
        raise RepositoryError(f"targets metadata is damaged: {error!r}") from error


def target_file(target: TargetFile) -> str:
    """Where a target's content lies: its digest is part of the name, so that it never changes."""
    return f"targets/{target.get_prefixed_paths()[0]}"


def _accept(kind: type[T], content: bytes, roots: Sequence[Root]) -> tuple[T, bool]:
    """Signed metadata, and whether it is the root before the newest one that accepts it."""
    try:
        return read_role(kind, content, roots[-1]), False
    except RepositoryError:
        for previous in roots[-2:-1]:
            with suppress(RepositoryError):
                return read_role(kind, content, previous), True
        raise


def _verified(storage: Storage, file: str, expected: MetaFile | TargetFile) -> bytes:
    content = storage.read(file)
    if content is None:
        raise RepositoryError(f"{storage.url}/{file} is missing: bring it back from a copy")
    try:
        expected.verify_length_and_hashes(content)
    except LengthOrHashMismatchError as error:
        raise RepositoryError(
            f"{storage.url}/{file} is damaged: bring it back from a copy ({error})"
        ) from error
    return content
