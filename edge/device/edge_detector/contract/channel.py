"""A channel's list: which releases its devices may take, and how large a share of them.

It is a signed target of the repository, `channels/<name>.json`, oldest release first. The publisher
writes it, and devices read it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from edge_detector.contract.names import MODEL_NAME, VERSION, parse_version
from edge_detector.contract.rules import Entries, Range
from edge_detector.contract.schema import read_json, read_value
from edge_detector.errors import SchemaError

FORMAT = 1
STABLE = "stable"
CANARY = "canary"
CHANNELS = (STABLE, CANARY)
MAX_LISTED = 10_000

Share = Annotated[float, Range(0, 1)]  # of a channel's devices


@dataclass(frozen=True)
class ChannelRelease:
    """A release as a channel lists it.

    share: part of the channel's devices that may take it.
    published_at: UTC, ISO 8601; for people. withdrawn: why, or None.
    """

    name: Annotated[str, MODEL_NAME]
    version: Annotated[str, VERSION]
    share: Share
    published_at: str
    withdrawn: str | None = None

    @property
    def release(self) -> tuple[str, str]:
        """Name and version."""
        return self.name, self.version

    @property
    def age_key(self) -> tuple[int, int, int]:
        """By which releases sort from old to new.

        Raises:
            SchemaError: the version is none.
        """
        return parse_version(self.version)


@dataclass(frozen=True)
class _ChannelList:
    format: Literal[1]
    releases: Annotated[tuple[ChannelRelease, ...], Entries(MAX_LISTED)]


class FormatError(SchemaError):
    """A channel's list is of another format; found: which."""

    def __init__(self, channel: str, found: object) -> None:
        super().__init__(
            f"channel {channel}",
            f"has format {found!r}, and this version of edge_detector reads {FORMAT}:"
            " update edge_detector",
        )
        self.found = found


def write_channel(releases: Sequence[ChannelRelease]) -> bytes:
    """The list as devices read it; the same releases give the same bytes."""
    raw_channel = {"format": FORMAT, "releases": [asdict(release) for release in releases]}
    return json.dumps(raw_channel, indent=0).encode()


def read_channel(content: bytes, channel: str) -> tuple[ChannelRelease, ...]:
    """Read what `write_channel` wrote. What a later version adds to its entries is ignored.

    Raises:
        FormatError: it is of another format.
        SchemaError: it is no such list; names the channel, and what is wrong.
    """
    try:
        raw_channel = read_json(content, "the list")
        if isinstance(raw_channel, dict) and raw_channel.get("format", FORMAT) != FORMAT:
            raise FormatError(channel, raw_channel["format"])
        return read_value(raw_channel, _ChannelList, "the list", lenient=True).releases
    except FormatError:
        raise
    except SchemaError as error:
        raise SchemaError(f"channel {channel}", f"cannot be read: {error}") from error
