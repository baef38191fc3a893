"""Looking after what is published: taking back, rolling out, new keys, fresh signatures."""

from dataclasses import dataclass

from edge_detector.contract.channel import CHANNELS, ChannelRelease
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge.release.errors import RepositoryError
from edge.release.publishing.request import Place
from edge.release.repository.channel import version_key
from edge.release.repository.repository import Repository


@dataclass(frozen=True)
class Done:
    """What was done, in a sentence or several; warnings: what a person has to do."""

    sentences: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def withdraw(place: Place, name: str | None, version: str, reason: str) -> Done:
    """Take a release back from all channels.

    Raises:
        RepositoryError: there is no such release, or the repository cannot be used.
    """
    repository = place.open()
    name = find_name(repository, name, version)
    changed = repository.withdraw(name, version, reason)
    state = "is withdrawn" if changed else "was withdrawn already"
    warnings = tuple(
        f"devices are to go to {release} now, and cannot take it: {fault}, or publish it again"
        for release, fault in repository.successors(name).items()
        if fault is not None
    )
    return Done((f"{name} {version} {state}: {reason}",), warnings)


def promote(place: Place, name: str | None, version: str, channel: str, share: float) -> Done:
    """Put a release into another channel, as it is.

    Raises:
        RepositoryError: there is no such release, or the repository cannot be used.
    """
    repository = place.open()
    name = find_name(repository, name, version)
    repository.promote(name, version, channel, share)
    return Done(
        (f"{name} {version} is on {channel}, for {share:.0%} of its devices",),
        _overtaken(repository, name, version, channel),
    )


def roll_out(place: Place, name: str | None, version: str, channel: str, share: float) -> Done:
    """Let another share of a channel's devices take a release.

    Raises:
        RepositoryError: there is no such release there, or the repository cannot be used.
    """
    repository = place.open()
    name = find_name(repository, name, version)
    repository.share(name, version, channel, share)
    return Done(
        (f"{name} {version} on {channel} is for {share:.0%} of its devices now",),
        _overtaken(repository, name, version, channel),
    )


def rotate(place: Place, role: str) -> Done:
    """Replace the keys of a role.

    Raises:
        RepositoryError: keys that have to sign are not there, or the repository cannot be used.
    """
    names = place.open().rotate(role)
    keys = ", ".join(f"{place.keys / name}.pem" for name in names)
    return Done(
        (f"the keys of {role} are new: {keys}",),
        ("devices follow at their next update; the old files are of no use any more",),
    )


def renew(place: Place) -> Done:
    """Sign again what would expire before long.

    Raises:
        RepositoryError: keys that have to sign are not there, or the repository cannot be used.
    """
    renewal = place.open().renew()
    if renewal.written:
        return Done((f"renewed: {', '.join(renewal.written)}",), renewal.warnings)
    return Done(("nothing is due yet",), renewal.warnings)


def render_status(place: Place) -> RenderableType:
    """What is published, and until when it is signed.

    Raises:
        RepositoryError: there is no repository, or it cannot be read.
    """
    status = place.open().status()
    releases = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("channel", "name", "version", "share", "published", "state"):
        releases.add_column(name, no_wrap=name != "state")
    for channel, listed in status.channels.items():
        for release in listed:
            releases.add_row(*map(Text, (channel, *_cells(release))))
    roles = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("role", "version", "expires", "keys"):
        roles.add_column(name, no_wrap=True)
    for role in status.roles:
        keys = f"{role.threshold} of {len(role.keys)}: {', '.join(role.keys)}"
        cells = (role.role, str(role.version), f"{role.expires:%Y-%m-%d %H:%M} UTC", keys)
        roles.add_row(*map(Text, cells))
    head = Text.assemble((status.url, "bold"), f"\nroot's fingerprint {status.fingerprint}")
    return Group(head, Text(), releases, Text(), roles)


def find_name(repository: Repository, name: str | None, version: str) -> str:
    """The name that goes with a version, where it was not given.

    Raises:
        RepositoryError: no release, or several, have that version.
    """
    if name is not None:
        return name
    names = sorted(
        {
            release.name
            for channel in CHANNELS
            for release in repository.releases(channel)
            if release.version == version
        }
    )
    if len(names) == 1:
        return names[0]
    if not names:
        raise RepositoryError(
            f"no release has the version {version}; see manage_releases --list-releases"
        )
    raise RepositoryError(f"{version} is a version of {', '.join(names)}: say which by --name")


def _overtaken(repository: Repository, name: str, version: str, channel: str) -> tuple[str, ...]:
    """Why no device takes a release, if a newer one is there for all of them."""
    newer = [
        release.version
        for release in repository.releases(channel)
        if release.name == name
        and release.withdrawn is None
        and release.share >= 1
        and version_key(release.version) > version_key(version)
    ]
    if not newer:
        return ()
    names = " and ".join(sorted(newer, key=version_key))
    return (f"no device takes {version} while {channel} offers {names}: withdraw that first",)


def _cells(release: ChannelRelease) -> tuple[str, ...]:
    state = f"withdrawn: {release.withdrawn}" if release.withdrawn else "offered"
    return release.name, release.version, f"{release.share:.0%}", release.published_at, state
