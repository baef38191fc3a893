"""A channel as its publisher changes it: each change gives a new one, and none touches a file.

What devices read of it, and its form, is in `edge_detector.contract.channel`.
"""

import math
from dataclasses import dataclass, replace

from edge_detector.contract.channel import (
    CHANNELS,
    FORMAT,
    ChannelRelease,
    FormatError,
    read_channel,
    write_channel,
)
from edge_detector.contract.limits import Limits
from edge_detector.contract.names import parse_version
from edge_detector.errors import SchemaError

from edge.release.errors import RepositoryError

_REASON_LIMIT = 500  # characters


@dataclass(frozen=True)
class Channel:
    """The releases of a channel, oldest first."""

    name: str
    releases: tuple[ChannelRelease, ...] = ()

    def find(self, name: str, version: str) -> ChannelRelease | None:
        """The release of that name and version, if it is listed here."""
        return next(
            (release for release in self.releases if release.release == (name, version)), None
        )

    def newest(self, name: str) -> ChannelRelease | None:
        """The newest release of a name that devices may take, if there is any."""
        offered = [
            release
            for release in self.releases
            if release.name == name and release.withdrawn is None and release.share > 0
        ]
        return max(offered, key=lambda release: version_key(release.version), default=None)

    def with_release(self, release: ChannelRelease) -> "Channel":
        """With a release as its newest.

        Raises: RepositoryError: it is listed already, or its share is none.
        """
        check_share(release.share)
        if self.find(release.name, release.version):
            raise RepositoryError(f"{release.name} {release.version} is in {self.name} already")
        return replace(self, releases=(*self.releases, release))

    def with_share(self, name: str, version: str, share: float) -> "Channel":
        """With another share of devices for a release.

        Raises: RepositoryError: it is not listed, or withdrawn, or the share is none.
        """
        check_share(share)
        release = self._listed(name, version)
        if release.withdrawn is not None:
            raise RepositoryError(
                f"{name} {version} was withdrawn ({release.withdrawn}): publish a new version"
            )
        return self._with(replace(release, share=share))

    def without(self, name: str, version: str, reason: str) -> "Channel":
        """With a release withdrawn; it stays in the list, so that all can read why.

        Raises: RepositoryError: it is not listed, or no reason is given.
        """
        return self._with(replace(self._listed(name, version), withdrawn=checked_reason(reason)))

    def with_again(self, name: str, version: str) -> "Channel":
        """With a withdrawn release offered as it was before.

        Raises: RepositoryError: it is not listed.
        """
        return self._with(replace(self._listed(name, version), withdrawn=None))

    def to_json(self) -> bytes:
        """As devices read it; the same channel gives the same bytes.

        Raises: RepositoryError: it is longer than devices read.
        """
        content = write_channel(self.releases)
        if len(content) > Limits().channel_bytes:
            raise RepositoryError(
                f"{self.name} lists {len(self.releases):,} releases, which is more than devices"
                " read: begin a new repository"
            )
        return content

    @classmethod
    def from_json(cls, name: str, data: bytes) -> "Channel":
        """Read what `to_json` wrote.

        Raises: RepositoryError: it is something else; names what.
        """
        try:
            return cls(name, read_channel(data, name))
        except FormatError as error:
            raise RepositoryError(
                f"channel {name} has format {error.found}; this program writes {FORMAT}"
            ) from error
        except SchemaError as error:
            raise RepositoryError(f"channel {name} is damaged: {error}") from error

    def _listed(self, name: str, version: str) -> ChannelRelease:
        if release := self.find(name, version):
            return release
        known = ", ".join(" ".join(other.release) for other in self.releases) or "nothing"
        raise RepositoryError(f"{self.name} has no {name} {version}; it lists {known}")

    def _with(self, changed: ChannelRelease) -> "Channel":
        return replace(
            self,
            releases=tuple(
                changed if release.release == changed.release else release
                for release in self.releases
            ),
        )


def check_channel(name: str) -> None:
    """Raises: RepositoryError: there is no such channel."""
    if name not in CHANNELS:
        raise RepositoryError(f"no channel {name!r}: use {' or '.join(CHANNELS)}")


def check_share(share: float) -> None:
    """Raises: RepositoryError: not a part of a whole."""
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise RepositoryError(f"share is {share}: use a part of the devices, from 0 to 1")


def checked_reason(reason: str) -> str:
    """A reason in one line.

    Raises: RepositoryError: it is empty or too long.
    """
    line = " ".join(reason.split())
    if not line or len(line) > _REASON_LIMIT:
        raise RepositoryError(
            f"a withdrawal needs a reason of 1 to {_REASON_LIMIT} characters, not {len(line)}"
        )
    return line


def version_key(version: str) -> tuple[int, int, int]:
    """By which versions sort.

    Raises: RepositoryError: not of the form 1.2.3.
    """
    try:
        return parse_version(version)
    except SchemaError as error:
        raise RepositoryError(f"version {version!r}: use a form like 1.2.3") from error
