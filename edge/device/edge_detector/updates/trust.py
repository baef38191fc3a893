"""Whom a device believes: the root of a repository, pinned in the home.

    <home>/trust/root.json   the root as it was given or first seen
    <home>/trust/pin.json    its digest
    <home>/trust/metadata/   what python-tuf has verified since; a cache that may be lost

The root comes from a file, or the first use takes the one that the repository shows, and says its
fingerprint: the publisher's command shows the same. From then on nothing but that root, and what
it signed, is believed. A root that decays on the disk is found again by its digest, from the cache
or from the repository; trust never starts anew by itself.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError

from edge_detector.errors import ConfigError
from edge_detector.system.atomic import Step, replace_file, sync_file, sync_folder

MAX_ROOT_BYTES = 512_000  # as python-tuf has it

logger = logging.getLogger(__name__)


def fingerprint(root: bytes) -> str:
    """The sha256 of a root, in hexadecimal digits."""
    return hashlib.sha256(root).hexdigest()


class Trust:
    """The root that a home trusts."""

    def __init__(self, home: Path, given: Path | None, step: Step) -> None:
        """given: a file with the root; it goes before what is pinned."""
        self.folder = home / "trust"
        self.metadata = self.folder / "metadata"
        self._root = self.folder / "root.json"
        self._pin = self.folder / "pin.json"
        self._given = given
        self._step = step

    def pinned(self) -> str | None:
        """The fingerprint of the pinned root; None: there is none, or no whole one."""
        try:
            digest = json.loads(self._pin.read_bytes())["sha256"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            digest = None
        if isinstance(digest, str):
            return digest
        with suppress(OSError, DeserializationError):
            root = self._root.read_bytes()
            Metadata[Root].from_bytes(root)
            return fingerprint(root)
        return None

    def root(self, fetch_first: Callable[[], bytes]) -> bytes:
        """The root to start from, not verified in itself.

        fetch_first: asks the repository for its first root.

        Raises:
            ConfigError: the given file cannot be read, or the pinned root is lost.
            Exception: whatever fetch_first raises.
        """
        if self._given is not None:
            return _read_given(self._given)
        if not self._root.exists() and not self._pin.exists():
            return fetch_first()
        digest = self.pinned()
        for path in (self._root, *sorted(self.metadata.glob("root_history/*.root.json"))):
            with suppress(OSError):
                root = path.read_bytes()
                if fingerprint(root) == digest:
                    return root
        root = fetch_first()
        if fingerprint(root) == digest:
            logger.warning("the pinned root was damaged, and has been fetched again")
            return root
        raise ConfigError(
            f"the trusted root in {self._root} is damaged: give it again with --root FILE"
            f" (its sha256 is {digest or 'lost as well'}), or delete {self.folder} to trust whoever"
            " answers there now"
        )

    def pin(self, root: bytes, address: str) -> None:
        """Trust a root from now on. address: what it is good for, for people.

        Raises:
            OSError: the home cannot be written.
        """
        digest = fingerprint(root)
        before = self.pinned()
        with suppress(OSError):
            if before == digest and self._root.read_bytes() == root and self._pin.exists():
                return
        replace_file(self._root, root, self._step)
        replace_file(self._pin, (json.dumps({"sha256": digest}) + "\n").encode(), self._step)
        if before is None and self._given is None:
            logger.warning(
                "first use: trusting the publisher of %s from now on. The fingerprint of its root"
                " is %s; compare it with what the publisher's side shows",
                address,
                digest,
            )
        elif before != digest:
            logger.warning("trusting the root of %s from now on: %s", self._given, digest)

    def sync(self) -> None:
        """Bring what python-tuf has verified to the disk: it protects from being set back."""
        for path in self.metadata.rglob("*.json"):
            with suppress(OSError):
                sync_file(path)
        with suppress(OSError):
            sync_folder(self.metadata)

    def forget_metadata(self) -> None:
        """Delete the cache, because the disk has made nonsense of it."""
        shutil.rmtree(self.metadata, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what killed updates have left in the cache."""
        for leftover in self.metadata.glob("tmp*"):
            with suppress(OSError):
                leftover.unlink()


def _read_given(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            root = file.read(MAX_ROOT_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"--root {path}: {error.strerror}") from error
    if len(root) > MAX_ROOT_BYTES:
        raise ConfigError(f"--root {path} is too long for a root.json")
    return root
