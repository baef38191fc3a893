"""Messages through the real Apprise to a local receiver; what was told lies in the home."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.operations.notices import addresses as module
from tasks.operations.notices.addresses import read_addresses, split_addresses
from tasks.operations.notices.message import MAX_BODY, Message
from tasks.operations.notices.notices import Notices
from tasks.operations.notices.trouble import Trouble
from tests.tasks.operations.notices.receiver import Receiver, receiving

DISK = Trouble("disk", "1.0 GB are free", "runs fail when it is full", "triptych prune")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


class World:
    """A home, its addresses, and a clock."""

    def __init__(self, home: Path, urls: str) -> None:
        self.home, self.urls = home, urls
        self.now = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
        self.said: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.notices = self.another()

    def another(self) -> Notices:
        return Notices(self.home, read_addresses(self.urls), self.said.append, lambda: self.now)

    def report(self, *troubles: Trouble, minutes: int = 0) -> None:
        """Now, and after each of so many minutes."""
        self.notices.report(troubles)
        for _ in range(minutes):
            self.now += timedelta(minutes=1)
            self.notices.report(troubles)


def test_message_says_what_happened_what_it_means_and_what_to_type(tmp_path, receiver):
    world = World(tmp_path, receiver.url)
    world.report(DISK, minutes=60)
    world.report(minutes=60)

    bad, well = receiver.messages
    assert bad["title"] == "Triptych: 1.0 GB are free" and bad["type"] == "warning"
    assert bad["message"].splitlines()[:3] == [
        "1.0 GB are free",
        "What it means: runs fail when it is full",
        "What to do: triptych prune",
    ]
    assert str(tmp_path) in bad["message"] and "2026-03-01 01:31 UTC" in bad["message"]
    assert well["title"] == "Triptych: well again: 1.0 GB are free" and well["type"] == "success"
    assert well["message"].startswith("Well again: no longer so: 1.0 GB are free")


def test_storm_of_hundred_is_one_short_message(tmp_path, receiver):
    """The first in full, and the names of some others."""
    world = World(tmp_path, receiver.url)
    storm = [
        Trouble(f"device-silent:cam-{number}", f"cam-{number} is silent", "m" * 900, "c" * 900)
        for number in range(100)
    ]
    world.report(DISK, *storm, minutes=10)

    (message,) = receiver.messages
    assert message["title"] == "Triptych: 101 troubles, first: 1.0 GB are free"
    text = message["message"]
    assert "100 troubles of the kind device-silent since 01:30 UTC, first: cam-0 is silent" in text
    assert "The others: cam-1, cam-2" in text and "and 91 more" in text
    assert len(text) <= MAX_BODY


def test_message_of_many_kinds_says_how_many_it_has_no_room_for(tmp_path, receiver):
    world = World(tmp_path, receiver.url)
    world.report(*(Trouble(f"kind{n}", "w" * 999, "m" * 99, "c" * 99) for n in range(9)), minutes=2)
    (message,) = receiver.messages
    assert "… and " in message["message"] and len(message["message"]) <= MAX_BODY


def test_restart_tells_nothing_twice(tmp_path, receiver):
    world = World(tmp_path, receiver.url)
    for _ in range(5):
        world.report(DISK, minutes=5)
        world.restart()
    assert len(receiver.messages) == 1
    for _ in range(5):
        world.report(minutes=10)
        world.restart()
    assert len(receiver.messages) == 2


def test_two_processes_do_not_both_tell(tmp_path, receiver):
    """At the same moment, and one after the other."""
    world = World(tmp_path, receiver.url)
    world.report(DISK)
    world.now += timedelta(minutes=1)
    all_at_once = [
        threading.Thread(target=world.another().report, args=([DISK],)) for _ in range(8)
    ]
    for thread in all_at_once:
        thread.start()
    for thread in all_at_once:
        thread.join()
    world.another().report([DISK])
    assert len(receiver.messages) == 1


def test_crash_between_sending_and_noting_repeats_once_and_one_before_loses_nothing(
    tmp_path, receiver, monkeypatch
):
    """A process that dies at each of the three writes of a message."""
    for dies_at in range(3):
        home = tmp_path / str(dies_at)
        world, writes = World(home, receiver.url), iter(range(9))
        receiver.messages.clear()
        world.report(DISK)
        world.now += timedelta(minutes=1)
        real = world.notices._write

        def write(state, real=real, writes=writes, dies_at=dies_at):
            if next(writes) == dies_at:
                raise KeyboardInterrupt
            real(state)

        monkeypatch.setattr(world.notices, "_write", write)
        try:
            world.report(DISK)
        except KeyboardInterrupt:
            world.restart()
            world.report(DISK, minutes=5)
        assert 1 <= len(receiver.messages) <= 2


def test_address_that_is_away_is_tried_again_and_nothing_is_lost(tmp_path, receiver):
    """Less and less often, in the right order, also over a restart; it is said once."""
    receiver.status = 500
    world = World(tmp_path, receiver.url)
    world.report(DISK, minutes=120)
    world.report(minutes=30)
    assert receiver.messages == []
    state = json.loads((tmp_path / "notices" / "state.json").read_text())
    (away,) = state["away"].values()
    assert 6 <= away["tries"] <= 10  # in 150 minutes
    world.restart()
    receiver.status = 200
    world.report(minutes=31)
    assert receiver.titles == [
        "Triptych: 1.0 GB are free",
        "Triptych: well again: 1.0 GB are free",
    ]
    first, last = world.said
    assert (
        first == "address 1 (json://localhost) did not take a message; it waits, and is tried again"
    )
    assert last == "address 1 (json://localhost) takes messages again"


def test_address_that_is_away_keeps_no_other_waiting(tmp_path, receiver):
    with receiving() as other:
        other.status = 500
        world = World(tmp_path, f"{other.url},{receiver.url}")
        world.report(DISK, minutes=5)
        assert (len(receiver.messages), len(other.messages)) == (1, 0)
        other.status = 200
        world.report(DISK, minutes=31)
        assert (len(receiver.messages), len(other.messages)) == (1, 1)


def test_message_for_a_wrong_address_goes_to_the_corrected_one(tmp_path, receiver):
    world = World(tmp_path, "json://localhost:1/")
    world.report(DISK, minutes=2)
    world.urls = receiver.url
    world.restart()
    world.report(DISK)
    assert receiver.titles == ["Triptych: 1.0 GB are free"]


def test_damaged_state_is_said_and_what_is_wrong_is_told(tmp_path, receiver):
    world = World(tmp_path, receiver.url)
    for damage in ("{", "[]", '{"memory": {}}', '{"memory": 1, "waiting": [], "away": {}}'):
        (tmp_path / "notices").mkdir(exist_ok=True)
        (tmp_path / "notices" / "state.json").write_text(damage)
        world.report(DISK, minutes=2)
    assert len(receiver.messages) == 4
    assert all("state.json is damaged" in line for line in world.said)


def test_nothing_is_written_where_nobody_is_set(tmp_path):
    World(tmp_path, " \n").report(DISK, minutes=2)
    assert list(tmp_path.iterdir()) == []


def test_secrets_of_addresses_are_shown_and_written_nowhere(tmp_path, receiver, caplog, capfd):
    """Of an address that works, of one that is away, and of wrong ones."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("apprise").setLevel(logging.DEBUG)
    urls = "\n".join(
        (
            receiver.url,
            "json://user:S3CRET-away@localhost:1/S3CRET-path",
            "slack://S3CRETtoken/S3CRET",
            "S3CRETscheme",
            "tgram://S3CRET/S3CRET",
            "nosuch://user:S3CRET@example.org",
            "discord://S3CRETid/S3CRETtoken",
            "ntfy://S3CRETtopic",
        )
    )
    world = World(tmp_path, urls)
    local = [each for each in world.notices._addresses if "localhost" in each.shown]
    world.notices._addresses = local  # nothing is sent to others' services
    world.report(DISK, minutes=5)

    assert len(receiver.messages) == 1 and len(local) == 2
    shown = [each.shown for each in read_addresses(urls)]
    assert {"address 1 (json://localhost)", "address 7 (ntfy://…)"} <= set(shown)
    files = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    seen = "".join(capfd.readouterr()) + caplog.text + files + "".join([*world.said, *shown])
    assert "S3CRET" not in seen
    assert "address 4 is none that Apprise can use" not in seen  # it belongs to the one before


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("json://a, json://b", ["json://a", "json://b"]),
        (
            "json://a\n# mail\nmailto://u:p@b?to=x@c,y@d,\n",
            ["json://a", "mailto://u:p@b?to=x@c,y@d"],
        ),
        ("json://a,,JSON://b\r\n", ["json://a", "JSON://b"]),
        (" \n", []),
    ],
)
def test_addresses_are_parted_by_commas_and_lines(text, found):
    """A comma within an address is part of it."""
    assert [part for part in split_addresses(text) if part] == found


def test_address_that_takes_too_long_counts_as_away(monkeypatch):
    """A service that never answers keeps nobody waiting."""
    monkeypatch.setattr(module, "SEND_S", 0.0)
    (address,) = read_addresses("json://localhost:1/")
    never = threading.Event()
    monkeypatch.setattr(module.Address, "_send", lambda self, message: never.wait() or True)
    assert address.send(Message("title", "body", is_bad=False)) is False
    never.set()
