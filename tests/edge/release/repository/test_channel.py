"""Channels: lists of releases that change by making new ones."""

import json

import pytest
from edge_detector.contract.channel import ChannelRelease

from edge.release.errors import RepositoryError
from edge.release.repository.channel import Channel, check_channel, version_key

AT = "2026-01-31T12:00:00Z"
OLD = ChannelRelease("parts", "1.0.0", 1.0, AT)
NEW = ChannelRelease("parts", "1.1.0", 0.25, AT)
STABLE = Channel("stable", (OLD, NEW))


def test_channel_comes_back_from_its_file():
    """Whatever is in it; the same channel gives the same bytes."""
    channel = STABLE.without("parts", "1.0.0", "misses bolts – all of them")

    assert Channel.from_json("stable", channel.to_json()) == channel
    assert channel.to_json() == Channel.from_json("stable", channel.to_json()).to_json()


def test_file_is_what_devices_read():
    """Keys and order are a contract."""
    assert json.loads(Channel("stable", (OLD,)).without("parts", "1.0.0", "bad").to_json()) == {
        "format": 1,
        "releases": [
            {
                "name": "parts",
                "version": "1.0.0",
                "share": 1.0,
                "published_at": AT,
                "withdrawn": "bad",
            }
        ],
    }


def test_new_release_comes_last():
    """Oldest first, whatever the versions are."""
    older = ChannelRelease("parts", "0.9.0", 1.0, AT)

    assert STABLE.with_release(older).releases == (OLD, NEW, older)
    assert STABLE.releases == (OLD, NEW)


def test_release_is_listed_once():
    """Its share is changed instead."""
    with pytest.raises(RepositoryError, match=r"parts 1\.1\.0 is in stable already"):
        STABLE.with_release(NEW)

    changed = STABLE.with_share("parts", "1.1.0", 1)
    assert [release.share for release in changed.releases] == [1.0, 1.0]
    assert [release.version for release in changed.releases] == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan"), float("inf")])
def test_share_is_a_part_of_a_whole(share):
    """Percent are a slip that would reach all devices."""
    with pytest.raises(RepositoryError, match="from 0 to 1"):
        STABLE.with_share("parts", "1.1.0", share)
    with pytest.raises(RepositoryError, match="from 0 to 1"):
        Channel("stable").with_release(ChannelRelease("parts", "1.0.0", share, AT))


def test_withdrawn_release_stays_in_the_list_with_its_reason():
    """In one line; it is rolled out no further."""
    channel = STABLE.without("parts", "1.1.0", "  misses\n bolts ")

    assert [release.withdrawn for release in channel.releases] == [None, "misses bolts"]
    with pytest.raises(RepositoryError, match=r"was withdrawn \(misses bolts\)"):
        channel.with_share("parts", "1.1.0", 1.0)


@pytest.mark.parametrize("reason", ["", " \n", "x" * 501])
def test_withdrawal_needs_a_reason(reason):
    """Which people can read."""
    with pytest.raises(RepositoryError, match="needs a reason"):
        STABLE.without("parts", "1.1.0", reason)


def test_unknown_release_names_those_there_are():
    """Name and version both have to be right."""
    with pytest.raises(RepositoryError, match=r"no parts 2\.0\.0; it lists parts 1\.0\.0, parts"):
        STABLE.with_share("parts", "2.0.0", 1.0)
    with pytest.raises(RepositoryError, match=r"no nuts 1\.0\.0"):
        STABLE.without("nuts", "1.0.0", "bad")
    with pytest.raises(RepositoryError, match="it lists nothing"):
        Channel("canary").with_share("parts", "1.0.0", 1.0)


@pytest.mark.parametrize(
    "content",
    [b"{", b"[]", b'{"format": 1}', b'{"format": 1, "releases": [{}]}', b"\xff", b"null"],
)
def test_damaged_file_is_refused(content):
    """It says which channel."""
    with pytest.raises(RepositoryError, match="channel stable is damaged"):
        Channel.from_json("stable", content)


def test_file_of_a_later_format_is_refused():
    """It is not written over by a program that does not know what it says."""
    with pytest.raises(RepositoryError, match="has format 2; this program writes 1"):
        Channel.from_json("stable", b'{"format": 2, "releases": []}')


def test_other_channels_and_versions_are_refused():
    """They name what would be right."""
    check_channel("stable")
    with pytest.raises(RepositoryError, match="use stable or canary"):
        check_channel("beta")
    assert version_key("1.10.0") > version_key("1.9.9")
    with pytest.raises(RepositoryError, match=r"form like 1\.2\.3"):
        version_key("1.2")
