"""The metadata of a change, signed and ready to be written; nothing is written here.

A change of targets is one of snapshot, and that one of timestamp: each names the version, length
and digest of the one before it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from edge.release.repository.keys import Keys
from edge.release.repository.signing import sign
from edge.release.repository.state import State

ROLES = ("targets", "snapshot", "timestamp")


@dataclass(frozen=True)
class SignedChange:
    """files: new ones with their content, in the order of writing. timestamp: comes after them."""

    files: tuple[tuple[str, bytes], ...]
    timestamp: bytes


@dataclass(frozen=True)
class Signatory:
    """Signs changes.

    roots: each of which must accept what is signed. expires: by role.
    free: gives the next version of a role, after the current one, that no file has.
    """

    keys: Keys
    roots: tuple[Root, ...]
    expires: Mapping[str, datetime]
    free: Callable[[str, int], int]

    def sign(
        self,
        state: State | None,
        roles: Collection[str],
        targets: Mapping[str, TargetFile] | None = None,
    ) -> SignedChange:
        """Sign new versions of these roles, and of all that follow from them.

        Args:
            state: what is current; None makes the first versions of all.
            roles: what to sign.
            targets: the targets from now on; None: as they are.

        Raises: MissingKeys: a role cannot be signed.
        """
        files: list[tuple[str, bytes]] = []
        if state is None or "targets" in roles:
            version = self.free("targets", state.targets.version if state else 0)
            listed = targets if targets is not None else state.targets.targets if state else {}
            raw_targets = self._signed(
                Targets(version, expires=self.expires["targets"], targets=dict(listed))
            )
            files.append((f"metadata/{version}.targets.json", raw_targets))
            targets_meta = _meta(version, raw_targets)
        else:
            targets_meta = state.snapshot.meta["targets.json"]
        if state is None or files or "snapshot" in roles:
            version = self.free("snapshot", state.snapshot.version if state else 0)
            meta = {"targets.json": targets_meta}
            raw_snapshot = self._signed(
                Snapshot(version, expires=self.expires["snapshot"], meta=meta)
            )
            files.append((f"metadata/{version}.snapshot.json", raw_snapshot))
            snapshot_meta = _meta(version, raw_snapshot)
        else:
            snapshot_meta = state.timestamp.snapshot_meta
        timestamp = Timestamp(
            state.timestamp.version + 1 if state else 1,
            expires=self.expires["timestamp"],
            snapshot_meta=snapshot_meta,
        )
        return SignedChange(tuple(files), self._signed(timestamp))

    def _signed(self, signed: Targets | Snapshot | Timestamp) -> bytes:
        return sign(signed, self.roots, self.keys)


def _meta(version: int, content: bytes) -> MetaFile:
    return MetaFile.from_data(version, content, ["sha256"])
