"""An installed release: a folder with its manifest, its model and its golden frames.

The folder's name ends in the first digits of the manifest's digest, and the manifest has the
digests of all other files. So a slot that can be read holds what was signed.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge_detector.contract.limits import Limits
from edge_detector.contract.manifest import MANIFEST_FILE, Manifest
from edge_detector.errors import ReleaseError


@dataclass(frozen=True)
class Slot:
    """An installed release; it is as its manifest says when it was read by `read_slot`."""

    folder: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """The folder's name: name, version and the first 12 digits of the manifest's digest."""
        return self.folder.name

    @property
    def release(self) -> str:
        """For people: "parts 1.2.0"."""
        return f"{self.manifest.name} {self.manifest.version}"

    @property
    def model_path(self) -> Path:
        return self.folder / self.manifest.model.file


def slot_id(manifest: Manifest, content: bytes) -> str:
    """The id of the slot of a manifest, given as it was read and as it was signed."""
    digest = hashlib.sha256(content).hexdigest()
    return f"{manifest.name}-{manifest.version}-{digest[:12]}"


def release_of(slot: str) -> tuple[str, str]:
    """Name and version that a slot's id begins with, also where its manifest is damaged."""
    release, _, _ = slot.rpartition("-")
    name, _, version = release.rpartition("-")
    return name, version


def format_release(slot: str) -> str:
    """The release of a slot's id, for people: "parts 1.2.0"; another text as it is."""
    name, version = release_of(slot)
    return f"{name} {version}" if name and version else slot


def files_of(manifest: Manifest) -> dict[str, tuple[str, int]]:
    """The files of a release beside its manifest: name to sha256 and size in bytes."""
    model = manifest.model
    goldens = {golden.file: (golden.sha256, golden.size) for golden in manifest.golden}
    return {model.file: (model.sha256, model.size), **goldens}


def read_files(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a folder whose files are as it says, and the id of its slot.

    Raises:
        ReleaseError: a file is missing, changed, or cannot be read; names which.
    """
    try:
        with (folder / MANIFEST_FILE).open("rb") as file:
            content = file.read(Limits().manifest_bytes + 1)
    except OSError as error:
        raise ReleaseError(f"{folder / MANIFEST_FILE}: {error.strerror or error}") from error
    manifest = Manifest.from_json(content)
    for name, (sha256, size) in files_of(manifest).items():
        _check_file(folder / name, sha256, size)
    return manifest, slot_id(manifest, content)


def read_slot(folder: Path) -> Slot:
    """A slot as it was installed.

    Raises:
        ReleaseError: it is damaged; names the file.
    """
    manifest, id_ = read_files(folder)
    if id_ != folder.name:
        raise ReleaseError(f"{folder / MANIFEST_FILE} has changed: it should make {folder.name}")
    return Slot(folder, manifest)


def _check_file(path: Path, sha256: str, size: int) -> None:
    try:
        found = path.stat().st_size
        if found != size:
            raise ReleaseError(f"{path} has {found:,} bytes instead of {size:,}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReleaseError(f"{path}: {error.strerror or error}") from error
    if digest != sha256:
        raise ReleaseError(f"{path} has changed: its sha256 is {digest} instead of {sha256}")
