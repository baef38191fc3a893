"""A device as TUF's own client sees it: independent of our device, and of our publisher."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from edge.release.repository.storage import Storage


class StorageFetcher(FetcherInterface):
    """Serves a storage as a web server would."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def _fetch(self, url: str) -> Iterator[bytes]:
        content = self._storage.read(url.removeprefix("storage://"))
        if content is None:
            raise DownloadHTTPError(f"no {url}", 404)
        return iter([content])


@dataclass(frozen=True)
class Seen:
    """What a reader sees: releases by channel, and all files of each release."""

    channels: dict[str, list[dict[str, Any]]]
    files: dict[str, bytes]

    def versions(self, channel: str = "stable") -> list[str]:
        return [release["version"] for release in self.channels[channel]]


class Reader:
    """Reads a repository, starts from its first root, and remembers what it has trusted."""

    def __init__(
        self, storage: Storage, home: Path, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._storage = storage
        self._home = home
        self._clock = clock
        home.mkdir(parents=True)

    def look(self) -> Seen:
        """Refresh the metadata, and download every file of every release that is listed."""
        updater = self._updater()
        updater.refresh()

        def fetch(path: str) -> bytes:
            return _fetch(updater, path)

        channels = {
            name: json.loads(fetch(f"channels/{name}.json"))["releases"]
            for name in ("stable", "canary")
        }
        folders = {f"{one['name']}/{one['version']}" for all in channels.values() for one in all}
        names = ("manifest.json", "model.tflite", "golden-0.png")
        files = {
            f"{folder}/{name}": fetch(f"{folder}/{name}") for folder in folders for name in names
        }
        return Seen(channels, files)

    def fetch(self, path: str) -> bytes:
        """Refresh the metadata, and download one file."""
        return _fetch(self._updater(), path)

    def _updater(self) -> Updater:
        first_root = self._storage.read("metadata/1.root.json")
        updater = Updater(
            str(self._home),
            "storage://metadata/",
            str(self._home),
            "storage://targets/",
            StorageFetcher(self._storage),
            bootstrap=first_root,
        )
        if self._clock:
            updater._trusted_set.reference_time = self._clock()
        return updater


def _fetch(updater: Updater, path: str) -> bytes:
    target = updater.get_targetinfo(path)
    assert target is not None, path
    return Path(updater.download_target(target)).read_bytes()
