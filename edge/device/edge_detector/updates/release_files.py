"""The files of a release in a repository: as its manifest says, signed, and within the limits."""

import shutil
from pathlib import Path

from tuf.api.metadata import TargetFile

from edge_detector.contract.limits import Limits
from edge_detector.contract.manifest import MANIFEST_FILE, Manifest
from edge_detector.errors import DownloadError, ReleaseError
from edge_detector.slots.slot import files_of
from edge_detector.updates.session import Session, check_length


def read_manifest(
    session: Session, release: tuple[str, str], limits: Limits
) -> tuple[Manifest, bytes]:
    """The manifest of a release, given by name and version, and its bytes as they were signed.

    Raises:
        ReleaseError: there is none, it is too long, or it is another release's.
        DownloadError: it did not come.
    """
    name, version = release
    path = f"{name}/{version}/{MANIFEST_FILE}"
    content = session.read(path, limits.manifest_bytes)
    if content is None:
        raise ReleaseError(f"the channel lists {path}, but it was not signed")
    manifest = Manifest.from_json(content)
    if (manifest.name, manifest.version) != release:
        raise ReleaseError(f"{path} is the manifest of {manifest.name} {manifest.version}")
    return manifest, content


def find_files(session: Session, manifest: Manifest, limits: Limits) -> dict[str, TargetFile]:
    """The signed files that a manifest names, by their names in it.

    Raises:
        ReleaseError: one was not signed, or as another file, or is too large; or they are too many.
        DownloadError: the metadata did not come.
    """
    if len(manifest.golden) > limits.golden_frames:
        raise ReleaseError(
            f"{manifest.name} {manifest.version} has {len(manifest.golden)} golden frames;"
            f" {limits.golden_frames} is the most it may have"
        )
    targets = {}
    for file, (sha256, size) in files_of(manifest).items():
        path = f"{manifest.name}/{manifest.version}/{file}"
        target = session.find(path)
        if target is None:
            raise ReleaseError(f"the manifest names {path}, but it was not signed")
        check_length(
            target, limits.model_bytes if file == manifest.model.file else limits.golden_bytes
        )
        if (target.length, target.hashes.get("sha256")) != (size, sha256):
            raise ReleaseError(f"{path} was signed as another file than the manifest names")
        targets[file] = target
    return targets


def check_space(home: Path, manifest: Manifest, spare_bytes: int) -> None:
    """Whether a home has room for a release.

    Raises:
        DownloadError: it has not.
    """
    sizes = [size for _, size in files_of(manifest).values()]
    needed = sum(sizes) + max(sizes) + spare_bytes  # the largest is there twice
    free = shutil.disk_usage(home).free
    if free < needed:
        raise DownloadError(
            f"{manifest.name} {manifest.version} needs {needed / 1e6:,.0f} MB of free space in"
            f" {home}; there are {free / 1e6:,.0f}"
        )
