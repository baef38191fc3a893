"""Which release of a channel a device takes: a decision on values, without a disk or a network.

- Candidates are the releases of the device's model in its channel that are not withdrawn, that
  this device has not refused, and whose share includes it. A canary device looks at stable too.
- It takes the newest by version, if that is newer than what it has.
- It goes back to an older one only if what it has was withdrawn, or is not in the channel.
- Where nothing is left to take, it keeps what it has: a withdrawn model is better than none.
- What is newer than what the device has or takes, and is held back, is named, with why.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType

from edge_detector.contract.channel import CANARY, STABLE, ChannelRelease
from edge_detector.contract.names import parse_version
from edge_detector.errors import ConfigError

MOST_HELD = 3  # releases that are held back, in one message
AGAIN = "`edge-detector update --again` takes it again"

Release = tuple[str, str]  # name and version
_NO_REASONS: Mapping[Release, str] = MappingProxyType({})


@dataclass(frozen=True)
class Choice:
    """What to take, or None to stay, and why, for people."""

    take: ChannelRelease | None
    why: str


def channels_of(channel: str) -> tuple[str, ...]:
    """The channels that a device of a channel looks at."""
    return (CANARY, STABLE) if channel == CANARY else (channel,)


def is_included(device_id: str, release: Release, share: float) -> bool:
    """Whether a device is in the share that gets a release: always the same answer.

    A larger share includes all devices of a smaller one.
    """
    digest = hashlib.sha256("".join((device_id, *release)).encode()).hexdigest()
    return int(digest[:8], 16) / 2**32 < share


def choose(
    listed: Sequence[ChannelRelease],
    device_id: str,
    *,
    name: str | None,
    current: Release | None,
    refused: Collection[Release],
    reasons: Mapping[Release, str] = _NO_REASONS,
) -> Choice:
    """Decide by the rules above.

    listed: of all the device's channels. name: of the model; None where there is but one.
    reasons: why and when releases were refused, for people.

    Raises:
        ConfigError: there are several models, and none was named.
    """
    name = name or _only_name(listed, current)
    named = [listing for listing in listed if listing.name == name]
    withdrawn = {
        listing.release: listing.withdrawn for listing in named if listing.withdrawn is not None
    }
    open_ = [listing for listing in named if listing.release not in withdrawn]
    left = [listing for listing in open_ if listing.release not in refused]
    candidates = [
        listing for listing in left if is_included(device_id, listing.release, listing.share)
    ]
    newest = max(candidates, key=attrgetter("age_key"), default=None)
    choice = _decide(name, current, named, withdrawn, newest)
    has = newest.release if choice is not None and choice.take and newest else current
    held = [
        _why_held(listing.release, withdrawn, refused, reasons)
        for listing in sorted(named, key=attrgetter("age_key"), reverse=True)
        if listing not in candidates
        and listing.release != current
        and _is_newer(listing, has, name)
    ]
    if choice is None:
        choice = Choice(None, _why_none(name, named, open_, left))
        held = [] if left or not open_ else held
    named_held = list(dict.fromkeys(held))[:MOST_HELD]
    return Choice(choice.take, "; ".join([choice.why, *named_held]))


def _decide(
    name: str,
    current: Release | None,
    named: Sequence[ChannelRelease],
    withdrawn: Mapping[Release, str | None],
    newest: ChannelRelease | None,
) -> Choice | None:
    """What to take of the newest that could be; None: nothing, and there is nothing to keep."""
    if current is None or current[0] != name:
        return Choice(newest, _why(newest)) if newest else None
    if current in withdrawn:
        because = f"{format_release(current)} was withdrawn ({withdrawn[current]})"
        if newest is None:
            return Choice(None, f"{because}, and there is no other to take: it stays")
        return Choice(newest, f"{because}: {format_release(newest.release)} instead")
    if newest is None or newest.release == current:
        return Choice(None, f"{format_release(current)} is up to date")
    if current not in [listing.release for listing in named]:
        return Choice(newest, f"{format_release(current)} is not in the channel: {_why(newest)}")
    if newest.age_key > parse_version(current[1]):
        return Choice(newest, _why(newest))
    return Choice(None, f"{format_release(current)} is up to date")


def _is_newer(listing: ChannelRelease, has: Release | None, name: str) -> bool:
    return has is None or (has[0] == name and listing.age_key > parse_version(has[1]))


def _why_held(
    release: Release,
    withdrawn: Mapping[Release, str | None],
    refused: Collection[Release],
    reasons: Mapping[Release, str],
) -> str:
    """Why a release that is newer than what the device has is not taken."""
    if release in withdrawn:
        return f"{format_release(release)} was withdrawn ({withdrawn[release]})"
    if release in reasons:
        return f"{format_release(release)} was refused by this device, {reasons[release]}: {AGAIN}"
    if release in refused:
        return f"{format_release(release)} was passed over: the options of this `run` do not fit it"
    return f"{format_release(release)} is not meant for this device yet: its share leaves it out"


def _only_name(listed: Sequence[ChannelRelease], current: Release | None) -> str:
    names = sorted({listing.name for listing in listed})
    if current is not None and (current[0] in names or not names):
        return current[0]
    if len(names) > 1:
        raise ConfigError(f"the channel has several models, {', '.join(names)}: choose by --name")
    return names[0] if names else ""


def _why(newest: ChannelRelease) -> str:
    return f"{format_release(newest.release)} is the newest"


def _why_none(
    name: str,
    named: Sequence[ChannelRelease],
    open_: Sequence[ChannelRelease],
    left: Sequence[ChannelRelease],
) -> str:
    """Why a device without a model gets none."""
    if not named:
        return f"the channel has no release{f' of {name}' if name else ''} yet"
    if not open_:
        return f"all releases of {name} are withdrawn"
    if not left:
        return f"this device has refused all releases of {name}"
    return f"no release of {name} is meant for this device yet: their shares leave it out"


def format_release(release: Release) -> str:
    return " ".join(release)
