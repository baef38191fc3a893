"""A channel: which releases its devices may take, and how large a share of them.

The list is a signed target of the repository, `channels/<name>.json`, oldest release first. All
changes give a new channel; none of them touches a file.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_detector.contract.limits import Limits
from edge_detector.contract.manifest import parse_version
from edge_detector.errors import ManifestError

from edge.release.errors import RepositoryError

CHANNELS = ("stable", "canary")
_FORMAT = 1
_REASON_LIMIT = 500  # characters


@dataclass(frozen=True)
class ChannelRelease:
    """A release as a channel lists it.

    share: part of the channel's devices that may take it, 0 to 1.
    published_at: UTC, ISO 8601. withdrawn: why, or None.
    """

    name: str
    version: str
    share: float
    published_at: str
    withdrawn: str | None = None

    def is_release(self, name: str, version: str) -> bool:
        """Whether this is the release of that name and version."""
        return (self.name, self.version) == (name, version)


@dataclass(frozen=True)
class Channel:
    """The releases of a channel, oldest first."""

    name: str
    releases: tuple[ChannelRelease, ...] = ()

    def find(self, name: str, version: str) -> ChannelRelease | None:
        """The release of that name and version, if it is listed here."""
        return next((one for one in self.releases if one.is_release(name, version)), None)

    def newest(self, name: str) -> ChannelRelease | None:
        """The newest release of a name that devices may take, if there is any."""
        offered = [
            one
            for one in self.releases
            if one.name == name and one.withdrawn is None and one.share > 0
        ]
        return max(offered, key=lambda one: version_key(one.version), default=None)

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

    def to_json(self) -> bytes:
        """As devices read it; the same channel gives the same bytes.

        Raises: RepositoryError: it is longer than devices read.
        """
        releases = [
            {
                "name": one.name,
                "version": one.version,
                "share": one.share,
                "published_at": one.published_at,
                "withdrawn": one.withdrawn,
            }
            for one in self.releases
        ]
        content = json.dumps({"format": _FORMAT, "releases": releases}, indent=0).encode()
        if len(content) > Limits().channel_bytes:
            raise RepositoryError(
                f"{self.name} lists {len(releases):,} releases, which is more than devices read: "
                "begin a new repository"
            )
        return content

    @classmethod
    def from_json(cls, name: str, data: bytes) -> "Channel":
        """Read what `to_json` wrote.

        Raises: RepositoryError: it is something else; names what.
        """
        try:
            content = json.loads(data)
            if content["format"] != _FORMAT:
                raise RepositoryError(
                    f"channel {name} has format {content['format']}; this program writes {_FORMAT}"
                )
            return cls(name, tuple(_release(one) for one in content["releases"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RepositoryError(f"channel {name} is damaged: {error!r}") from error

    def _listed(self, name: str, version: str) -> ChannelRelease:
        if release := self.find(name, version):
            return release
        known = ", ".join(f"{one.name} {one.version}" for one in self.releases) or "nothing"
        raise RepositoryError(f"{self.name} has no {name} {version}; it lists {known}")

    def _with(self, release: ChannelRelease) -> "Channel":
        return replace(
            self,
            releases=tuple(
                release if one.is_release(release.name, release.version) else one
                for one in self.releases
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
    except (ManifestError, ValueError) as error:
        raise RepositoryError(f"version {version!r}: use a form like 1.2.3") from error


def _release(content: Mapping[str, Any]) -> ChannelRelease:
    return ChannelRelease(
        name=str(content["name"]),
        version=str(content["version"]),
        share=float(content["share"]),
        published_at=str(content["published_at"]),
        withdrawn=None if content["withdrawn"] is None else str(content["withdrawn"]),
    )
