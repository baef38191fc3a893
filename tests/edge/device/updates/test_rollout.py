"""Which release a device takes: decided on values alone."""

import hashlib
import json
from collections.abc import Collection, Mapping

import pytest
from edge_detector.contract.channel import MAX_LISTED, ChannelRelease, read_channel
from edge_detector.errors import ConfigError, ReleaseError
from edge_detector.updates.rollout import (
    AGAIN,
    Choice,
    Release,
    channels_of,
    choose,
    is_included,
)

AT = "2026-01-31T12:00:00Z"
OLD, NEW, NEWEST = "1.9.0", "1.10.0", "2.0.0"


def listed(version: str, share: float = 1.0, withdrawn: str | None = None, name: str = "parts"):
    return ChannelRelease(name, version, share, AT, withdrawn)


def chosen(
    *releases: ChannelRelease,
    current: str | None = None,
    refused: Collection[Release] = (),
    name: str | None = None,
    device_id: str = "device",
    reasons: Mapping[Release, str] | None = None,
) -> Choice:
    return choose(
        releases,
        device_id,
        name=name,
        current=None if current is None else ("parts", current),
        refused=refused,
        reasons=reasons or {},
    )


def taken(*releases: ChannelRelease, **options) -> str | None:
    choice = chosen(*releases, **options)
    assert choice.why
    return choice.take.version if choice.take else None


def channel(**release: object) -> bytes:
    entry = {
        "name": "parts",
        "version": "1.0.0",
        "share": 1.0,
        "published_at": AT,
        "withdrawn": None,
        **release,
    }
    return json.dumps({"format": 1, "releases": [entry]}).encode()


class TestChoose:
    def test_newest_by_version_is_taken_whatever_the_order(self):
        """1.10 is newer than 1.9."""
        assert taken(listed(NEW), listed(OLD)) == NEW
        assert taken(listed(OLD), listed(NEW), current=OLD) == NEW

    def test_what_is_up_to_date_stays(self):
        """And the message says that it is."""
        assert taken(listed(OLD), listed(NEW), current=NEW) is None
        assert chosen(listed(NEW), current=NEW).why == "parts 1.10.0 is up to date"

    def test_older_release_is_not_taken(self):
        """Also where a share was made smaller afterwards: a device does not go back."""
        assert taken(listed(OLD), listed(NEW, share=0.0), current=NEW) is None

    def test_withdrawn_release_is_not_taken(self):
        """The newest one that is left is."""
        assert taken(listed(OLD), listed(NEW, withdrawn="bad")) == OLD
        assert taken(listed(NEW, withdrawn="bad")) is None

    def test_device_leaves_a_withdrawn_release_for_an_older_one(self):
        """And says why it was withdrawn."""
        choice = chosen(listed(OLD), listed(NEW, withdrawn="misses bolts"), current=NEW)

        assert choice.take is not None and choice.take.version == OLD
        assert "misses bolts" in choice.why

    def test_withdrawn_release_stays_where_there_is_no_other(self):
        """A model that was withdrawn is better than none."""
        only = listed(NEW, withdrawn="misses bolts")

        assert taken(only, current=NEW) is None
        assert taken(only, listed(OLD), current=NEW, refused={("parts", OLD)}) is None
        assert "it stays" in chosen(only, current=NEW).why

    def test_refused_release_is_not_tried_again(self):
        """The next best one is taken, unless that is what the device has."""
        releases = (listed(OLD), listed(NEW), listed(NEWEST))

        assert taken(*releases, refused={("parts", NEWEST)}) == NEW
        assert taken(*releases, refused={("parts", NEWEST)}, current=NEW) is None
        assert taken(listed(OLD), refused={("parts", OLD)}) is None

    def test_newer_release_that_is_held_back_is_named_with_why(self):
        """Whoever asks for updates must not be told that all is well, and no more."""
        reasons = {("parts", NEWEST): "rolled back by hand (2026-11-28T10:00:00+00:00)"}
        refused = chosen(
            listed(NEW), listed(NEWEST), current=NEW, refused=set(reasons), reasons=reasons
        )

        assert refused.take is None
        assert refused.why == (
            "parts 1.10.0 is up to date; parts 2.0.0 was refused by this device, rolled back by"
            f" hand (2026-11-28T10:00:00+00:00): {AGAIN}"
        )
        for held, why in (
            (listed(NEWEST, withdrawn="misses nuts"), "parts 2.0.0 was withdrawn (misses nuts)"),
            (listed(NEWEST, share=0.0), "its share leaves it out"),
        ):
            assert why in chosen(listed(NEW), held, current=NEW).why
        passed_over = chosen(listed(NEW), listed(NEWEST), current=NEW, refused={("parts", NEWEST)})
        assert "the options of this `run` do not fit it" in passed_over.why

    def test_device_that_refused_all_says_why(self):
        """It has nothing to run, and somebody has to know what to do."""
        reasons = {("parts", NEW): "the self-test failed (yesterday)"}
        why = chosen(listed(NEW), refused=set(reasons), reasons=reasons).why

        assert why.startswith("this device has refused all releases of parts; parts 1.10.0")
        assert "the self-test failed (yesterday)" in why and why.endswith(AGAIN)

    def test_older_releases_are_not_named(self):
        """What was refused long ago is no news."""
        why = chosen(listed(OLD), listed(NEW), current=NEW, refused={("parts", OLD)}).why

        assert why == "parts 1.10.0 is up to date"

    def test_share_leaves_devices_out(self):
        """They keep what they have until it is their turn."""
        assert taken(listed(OLD), listed(NEW, share=0.0)) == OLD
        assert taken(listed(NEW, share=0.0)) is None
        assert "leave it out" in chosen(listed(NEW, share=0.0)).why

    def test_device_that_changed_its_channel_takes_what_is_there(self):
        """From canary back to stable: also if that is older."""
        assert taken(listed(OLD), listed(NEW), current=NEWEST) == NEW

    def test_canary_takes_the_newest_of_both_channels(self):
        """And either channel's share is enough."""
        assert channels_of("canary") == ("canary", "stable")
        assert channels_of("stable") == ("stable",)
        assert taken(listed(NEWEST, share=1.0), listed(OLD), listed(NEWEST, share=0.0)) == NEWEST

    def test_release_withdrawn_in_one_channel_is_withdrawn(self):
        """Whatever the other one still says."""
        assert taken(listed(OLD), listed(NEW), listed(NEW, withdrawn="bad"), current=NEW) == OLD

    def test_model_need_be_named_only_where_there_are_several(self):
        """The message names them."""
        other = listed(NEWEST, name="faces")

        assert taken(other) == NEWEST
        with pytest.raises(ConfigError, match="faces, parts"):
            chosen(other, listed(NEW))
        assert taken(other, listed(NEW), name="parts") == NEW

    def test_second_model_in_the_channel_disturbs_no_device(self):
        """It goes on with the one it has."""
        assert taken(listed(NEWEST, name="faces"), listed(NEW), current=OLD) == NEW

    def test_device_given_another_model_takes_it(self):
        """Whatever its version."""
        releases = (listed("0.1.0", name="faces"), listed(NEW))
        assert taken(*releases, current=NEW, name="faces") == "0.1.0"

    @pytest.mark.parametrize(
        ("releases", "why"),
        [
            ((), "no release yet"),
            ((listed(NEW, withdrawn="bad"),), "withdrawn"),
            ((listed(NEW, share=0),), "shares"),
        ],
    )
    def test_device_without_a_model_is_told_why_it_gets_none(self, releases, why):
        """Nothing published, all withdrawn, or not its turn."""
        choice = chosen(*releases)
        assert choice.take is None and why in choice.why

    def test_empty_channel_takes_nothing_away(self):
        """What runs, runs on."""
        assert taken(current=NEW) is None


class TestShare:
    def test_share_is_met_by_a_fleet(self):
        """A tenth of many devices is about a tenth of them."""
        fleet = [f"device-{number}" for number in range(4_000)]
        share = sum(is_included(one, ("parts", NEW), 0.1) for one in fleet) / len(fleet)
        assert share == pytest.approx(0.1, abs=0.02)

    def test_larger_share_includes_the_devices_of_a_smaller_one(self):
        """No device goes back and forth while a release is rolled out."""
        for number in range(300):
            answers = [
                is_included(f"device-{number}", ("parts", NEW), share)
                for share in (0.0, 0.01, 0.1, 0.5, 1.0)
            ]
            assert answers == sorted(answers)
            assert answers[0] is False and answers[-1] is True

    def test_other_devices_go_first_with_another_release(self):
        """Not always the same ones take the risk."""
        fleet = [f"device-{number}" for number in range(300)]
        first, second = (
            {one for one in fleet if is_included(one, ("parts", version), 0.2)}
            for version in (OLD, NEW)
        )
        assert first != second

    def test_share_is_decided_as_publishers_say(self):
        """By the first 32 bits of a sha256, which both sides can compute."""
        digest = hashlib.sha256(b"device" + b"parts" + b"1.10.0").hexdigest()
        place = int(digest[:8], 16) / 2**32
        assert not is_included("device", ("parts", NEW), place)
        assert is_included("device", ("parts", NEW), place + 1e-9)


class TestReadChannel:
    def test_list_is_read(self):
        """Names, versions, shares and reasons."""
        assert read_channel(channel(share=1, withdrawn="bad"), "stable") == (
            ChannelRelease("parts", "1.0.0", 1.0, AT, "bad"),
        )

    def test_what_a_later_version_adds_is_ignored(self):
        """As long as the format is the same."""
        assert len(read_channel(channel(colour="green"), "stable")) == 1

    def test_other_format_asks_for_newer_software(self):
        """It does not guess."""
        with pytest.raises(ReleaseError, match="update edge_detector"):
            read_channel(b'{"format": 2, "releases": []}', "stable")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\xff",
            b"null",
            b"[]",
            b"{}",
            b'{"format": 1}',
            b'{"format": 1, "releases": {}}',
            b'{"format": 1, "releases": [1]}',
            b'{"format": 1, "releases": [{}]}',
            b"[" * 100_000,
            channel(name=1),
            channel(name="../parts"),
            channel(name="parts\x1b[2J"),
            channel(version="1.0"),
            channel(version=1),
            channel(share=1.5),
            channel(share=True),
            channel(share="all"),
            channel(share=float("nan")),
            channel(withdrawn=False),
            json.dumps({"format": 1, "releases": [{}] * (MAX_LISTED + 1)}).encode(),
        ],
    )
    def test_anything_else_is_refused(self, content):
        """As the publisher's fault, with the channel's name; never by another error."""
        with pytest.raises(ReleaseError, match="stable"):
            read_channel(content, "stable")
