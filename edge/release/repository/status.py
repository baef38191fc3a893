"""What a repository holds, for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from edge_detector.contract.channel import ChannelRelease
from tuf.api.metadata import Signed

from edge.release.repository.keys import key_name
from edge.release.repository.signing import role_keys
from edge.release.repository.state import State


@dataclass(frozen=True)
class RoleStatus:
    """What is current of a role; keys: names of the files that sign for it."""

    role: str
    version: int
    expires: datetime
    keys: tuple[str, ...]
    threshold: int


@dataclass(frozen=True)
class Status:
    """The state of a repository.

    fingerprint: sha256 of its first root, which devices pin. channels: releases, oldest first.
    """

    url: str
    fingerprint: str
    roles: tuple[RoleStatus, ...]
    channels: Mapping[str, tuple[ChannelRelease, ...]]


def role_statuses(state: State) -> tuple[RoleStatus, ...]:
    """Every role, root first."""
    signed: tuple[Signed, ...] = (state.root, state.targets, state.snapshot, state.timestamp)
    return tuple(
        RoleStatus(
            role=metadata.type,
            version=metadata.version,
            expires=metadata.expires,
            keys=tuple(key_name(key) for key in role_keys(metadata.type, state.root)),
            threshold=state.root.roles[metadata.type].threshold,
        )
        for metadata in signed
    )
