"""The release that devices take: what is newer is withdrawn, so that they go back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.operations.rollback.errors import RollbackError
from tasks.settings import Settings

if TYPE_CHECKING:
    from edge.release.repository.repository import Repository

WHY = "rolled back to "  # how the reason of such a withdrawal begins; no other is lifted


def rollback_release(
    settings: Settings, to: str | None, name: str | None, channel: str, dry: bool
) -> list[str]:
    """Make an earlier release the newest of its channel, or a later one that was rolled back.

    A withdrawal counts for both channels, as ever: a release is good or not.

    Raises:
        RollbackError: there is no such release, none before, or devices could not take what would
            be offered; nothing has changed then.
        PublisherError: the repository cannot be used, or files of the release are damaged.
    """
    from edge.release.publishing.request import Place
    from edge.release.repository.channel import version_key

    repository = Place(settings.releases_url, settings.release_keys).open()
    listed = repository.releases(channel)
    name = _only_name([release.name for release in listed], name, channel)
    ours = {release.version: release for release in listed if release.name == name}
    offered = sorted(
        (v for v, r in ours.items() if r.withdrawn is None and r.share > 0), key=version_key
    )
    back = [v for v, r in ours.items() if r.withdrawn and r.withdrawn.startswith(WHY)]
    if to is None:
        if len(offered) < 2:
            raise RollbackError(f"{channel} offers no release of {name} before the newest")
        to = offered[-2]
    if to not in (*offered, *back):
        known = ", ".join((*offered, *back)) or "none"
        raise RollbackError(f"{channel} has no {name} {to} to go back to; there is {known}")
    newest = version_key(offered[-1]) if offered else (-1, 0, 0)
    returning = [v for v in back if newest < version_key(v) <= version_key(to)]
    returning = sorted({*returning, *({to} & {*back})}, key=version_key)
    leaving = [version for version in offered if version_key(version) > version_key(to)]
    _check_whole(repository, name, sorted({to, *returning}, key=version_key))
    if not dry:
        for version in returning:
            repository.restore(name, version)
        for version in reversed(leaving):
            repository.withdraw(name, version, f"{WHY}{to}")
    would = "would be " if dry else ""
    return [
        *(f"{would}offered again: {name} {version}" for version in returning),
        *(f"{would}withdrawn: {name} {version}" for version in reversed(leaving)),
        f"newest of {channel}: {name} {to}",
    ]


def _check_whole(repository: Repository, name: str, versions: Sequence[str]) -> None:
    """Raises: RollbackError: devices could not take one of them."""
    for version in versions:
        if (fault := repository.fault(name, version)) is not None:
            raise RollbackError(
                f"devices could not take {name} {version}: {fault}, publish it again, or name"
                " another with --to; nothing has changed"
            )


def _only_name(names: Sequence[str], name: str | None, channel: str) -> str:
    known = sorted(set(names))
    if name is not None and name in known:
        return name
    if not known:
        raise RollbackError(f"the channel {channel} has no releases")
    if name is not None:
        raise RollbackError(f"{channel} has no release of {name}; there is {', '.join(known)}")
    if len(known) > 1:
        raise RollbackError(f"say of which model: --name {' or '.join(known)}")
    return known[0]
