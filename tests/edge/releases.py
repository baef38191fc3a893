"""Releases to publish, a clock to move, and a repository in a folder, for tests of both sides."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge_detector.contract.manifest import MANIFEST_FILE, Golden, Manifest, ModelFile
from edge_detector.slots.slot import Slot
from edge_detector.slots.slots import Slots

from edge.release.repository.keys import Keys
from edge.release.repository.publication import Release
from edge.release.repository.repository import Repository
from edge.release.repository.storage import FolderStorage
from tests.edge.device.samples import make_manifest

NAME = "parts"
GOLDEN = b"a picture"


class Clock:
    """A clock that stands still until it is moved; it begins with the real time."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Arguments are those of timedelta."""
        self.now += timedelta(**by)


def make_release(
    version: str = "1.0.0", model: bytes = b"a model", golden: bytes = GOLDEN, **changes: Any
) -> Release:
    """A release that is valid in form; its model is no model."""
    manifest = make_manifest(
        **{
            "name": NAME,
            "version": version,
            "model": ModelFile(sha256=_sha256(model), size=len(model), variant="int8"),
            "golden": (
                Golden(
                    file="golden-0.png", sha256=_sha256(golden), size=len(golden), detections=()
                ),
            ),
            **changes,
        }
    )
    return Release(manifest, {"model.tflite": model, "golden-0.png": golden})


def install(slots: Slots, manifest: Manifest, files: Mapping[str, bytes | Path]) -> Slot:
    """Make a slot of a release, as an update does; it does not run yet."""
    with slots.store.incoming() as folder:
        (folder / MANIFEST_FILE).write_bytes(manifest.to_json())
        for name, content in files.items():
            data = content.read_bytes() if isinstance(content, Path) else content
            (folder / name).write_bytes(data)
        return slots.store.adopt(folder)


def open_repository(folder: Path, clock: Callable[[], datetime] | None = None) -> Repository:
    """A repository in folder/releases with its keys in folder/keys, as they are."""
    storage = folder_of(folder)
    keys = Keys(folder / "keys")
    return Repository(storage, keys, clock=clock) if clock else Repository(storage, keys)


def make_repository(folder: Path, clock: Callable[[], datetime] | None = None) -> Repository:
    """A new repository in folder/releases with its keys in folder/keys."""
    repository = open_repository(folder, clock)
    repository.create()
    return repository


def folder_of(path: Path) -> FolderStorage:
    """The storage of that repository, as another process would open it."""
    return FolderStorage(path / "releases", patience_s=10)


def without_golden(release: Release) -> Release:
    """The release with one of its files not given."""
    return replace(release, files={"model.tflite": release.files["model.tflite"]})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
