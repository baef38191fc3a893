"""What is published at once: a manifest and the files that it names, and maybe one for phones."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_detector.contract.limits import Limits
from edge_detector.contract.manifest import MANIFEST_FILE, Golden, Manifest, ModelFile
from edge_detector.errors import SchemaError

from edge.release.errors import RepositoryError

PHONE_FILE = "phone.tflite"
_LIMITS = Limits()


@dataclass(frozen=True)
class Release:
    """A manifest and its files, by the names it gives them: the model and the golden images.

    phone: the file for phones, which the manifest does not name: devices do not download it.
    """

    manifest: Manifest
    files: Mapping[str, Path | bytes]
    phone: Path | bytes | None = None

    def contents(self) -> dict[str, bytes]:
        """Every file by its path in the repository, each read once and as the manifest says.

        Raises: RepositoryError: one is missing, not named by the manifest, another content, or
            larger than devices download.
        """
        manifest = self.manifest
        named: tuple[ModelFile | Golden, ...] = (manifest.model, *manifest.golden)
        if extra := sorted(set(self.files) - {file.file for file in named}):
            raise RepositoryError(f"the manifest names no {', '.join(extra)}")
        contents = {file.file: self._checked(file.file, file.sha256, file.size) for file in named}
        try:
            contents[MANIFEST_FILE] = manifest.to_json()
        except SchemaError as error:
            raise RepositoryError(str(error)) from error
        _check_size(manifest.model.file, contents, _LIMITS.model_bytes)
        _check_size(MANIFEST_FILE, contents, _LIMITS.manifest_bytes)
        for golden in manifest.golden:
            _check_size(golden.file, contents, _LIMITS.golden_bytes)
        if len(manifest.golden) > _LIMITS.golden_frames:
            raise RepositoryError(
                f"{len(manifest.golden)} golden pictures: devices take {_LIMITS.golden_frames}"
            )
        if self.phone is not None:
            contents[PHONE_FILE] = _read(PHONE_FILE, self.phone)
        folder = release_folder(manifest.name, manifest.version)
        return {f"{folder}/{name}": content for name, content in contents.items()}

    def _checked(self, name: str, sha256: str, size: int) -> bytes:
        if name not in self.files:
            raise RepositoryError(f"the manifest names {name}, which is not given")
        content = _read(name, self.files[name])
        if (len(content), hashlib.sha256(content).hexdigest()) != (size, sha256):
            raise RepositoryError(
                f"{name} is not the file of the manifest: {len(content)} bytes instead of {size}, "
                "or another digest"
            )
        return content


def _read(name: str, source: Path | bytes) -> bytes:
    try:
        return source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise RepositoryError(f"{name} cannot be read: {error}") from error


def _check_size(name: str, contents: Mapping[str, bytes], most: int) -> None:
    if len(contents[name]) > most:
        raise RepositoryError(
            f"{name} has {len(contents[name]):,} bytes, and devices take at most {most:,}"
        )


def release_folder(name: str, version: str) -> str:
    """Where a release lies among the targets."""
    return f"{name}/{version}"


def channel_file(channel: str) -> str:
    """Where a channel's list lies among the targets."""
    return f"channels/{channel}.json"
