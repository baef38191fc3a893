"""A publisher, a mirror in an attacker's hands, and a device that reads from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from edge_detector.contract.limits import Limits
from edge_detector.errors import EdgeError
from edge_detector.slots.slot import Slot
from edge_detector.updates.updates import Updates

from edge.release.repository.keys import Keys
from edge.release.repository.repository import Repository
from edge.release.repository.storage import FolderStorage
from tests.edge.attacker import Mirror, WebServer
from tests.edge.releases import Clock, make_release

OLD, NEW, EVIL = b"the old model", b"the new model", b"an evil model"
LIMITS = Limits(
    connect_s=2.0,
    silence_s=1.0,
    download_s=5.0,
    min_bytes_per_s=4 * 1024**2,
    refresh_s=6.0,
    spare_bytes=1024,
)
SLACK_BYTES = 8 * 1024**2  # what a server can write before it notices that nobody reads
SLACK_S = 8.0
ONLINE_ROLES = ("targets", "snapshot", "timestamp")
ONLINE = ("snapshot-1", "timestamp-1")  # keys that renew every day


@dataclass
class World:
    """A publisher, a mirror that an attacker owns, and a device that reads from there."""

    folder: Path
    mirror: Mirror
    clock: Clock
    server: WebServer | None
    tried: list[str] = field(default_factory=list)

    @property
    def publisher(self) -> Repository:
        storage = FolderStorage(self.folder / "publisher")
        return Repository(storage, self.keys, clock=self.clock)

    @property
    def keys(self) -> Keys:
        return Keys(self.folder / "keys")

    def device(
        self, releases: str | None = None, limits: Limits = LIMITS, **options: Any
    ) -> Updates:
        """The device, as a new process would be."""
        address = self.server.url if self.server else str(self.mirror.folder)
        return Updates(
            releases or address,
            self.folder / "device",
            device_id="device-1",
            name="parts",
            limits=limits,
            clock=self.clock,
            self_test=self._try_out,
            **options,
        )

    def publish(self, version: str, model: bytes) -> None:
        """Publish for real, and show it faithfully."""
        self.publisher.publish(make_release(version, model))
        self.mirror.sync()

    def runs(self) -> tuple[str, bytes]:
        """Version and model that the device would start with now; verified by itself."""
        slot = self.device().slots.current()
        assert slot is not None
        return slot.manifest.version, slot.model_path.read_bytes()

    def takes(self, version: str, model: bytes) -> None:
        """The device updates, and runs that."""
        slot = self.device().update()
        assert slot is not None, "there was nothing to take"
        assert self.runs() == (version, model)

    def refuses(
        self, error: type[EdgeError], cause: type[Exception], message: str, **options: Any
    ) -> EdgeError:
        """The device does not update for that reason, and is as it was."""
        before, tried, slots = self.runs(), list(self.tried), self.slots_on_disk()
        with pytest.raises(error, match=message) as raised:
            self.device(**options).update()
        assert type(raised.value) is error
        assert type(raised.value.__cause__) is cause
        assert self.runs() == before
        assert self.tried == tried
        assert self.slots_on_disk() == slots
        return raised.value

    def slots_on_disk(self) -> set[str]:
        return {str(file) for file in (self.folder / "device" / "slots").rglob("*")}

    def recovers(self, version: str = "9.0.0") -> None:
        """With a faithful mirror again the device takes what is newest."""
        if self.server:
            self.server.behave()
        self.publish(version, b"the newest model")
        self.takes(version, b"the newest model")

    def _try_out(self, slot: Slot) -> None:
        self.tried.append(slot.manifest.version)


@contextmanager
def open_world(folder: Path, clock: Clock, transport: str) -> Iterator[World]:
    """A device that runs parts 1.0.0: the control of all attacks, taken from a faithful mirror.

    transport: folder or http.
    """
    Repository(FolderStorage(folder / "publisher"), Keys(folder / "keys"), clock=clock).create()
    mirror = Mirror(folder / "publisher", folder / "mirror")
    if transport == "folder":
        yield _begin(World(folder, mirror, clock, None))
        return
    with WebServer(mirror.folder).running() as server:
        yield _begin(World(folder, mirror, clock, server))


def _begin(world: World) -> World:
    world.publish("1.0.0", OLD)
    world.takes("1.0.0", OLD)
    return world
