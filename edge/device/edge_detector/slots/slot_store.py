"""The folder of installed releases: a slot appears whole, by one rename, and never changes.

Before the rename, its files are verified and brought to the disk. What a killed process leaves
begins with a dot, is never taken for a slot, and is swept up by the next update.
"""

import os
import shutil
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_detector.contract.manifest import MANIFEST_FILE
from edge_detector.errors import ConfigError, ReleaseError
from edge_detector.slots.slot import Slot, files_of, read_files, read_slot
from edge_detector.system.atomic import Step, sync_file, sync_folder

_ACTIVATED = ".activated"  # in a slot that has been the current one, and was not refused


class SlotStore:
    """The slots of a home, without a thought of which one runs."""

    def __init__(self, folder: Path, step: Step) -> None:
        self.folder = folder
        self._step = step

    def read(self, slot: str) -> Slot:
        """A slot by its id. Raises as `read_slot`."""
        return read_slot(self.folder / slot)

    def ids(self) -> list[str]:
        """Of all slots, whole or damaged."""
        with suppress(OSError):
            return sorted(slot.name for slot in self.folder.iterdir() if slot.name[0] != ".")
        return []

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder beside the slots to collect a release in; gone at the end.

        Raises:
            ConfigError: the home cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=".incoming-", dir=self.folder))
        except OSError as error:
            raise ConfigError(
                f"cannot write in {self.folder}: {error.strerror}; make it writable,"
                " or give another folder with --home"
            ) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, folder: Path) -> Slot:
        """Make a slot of a folder that `incoming` gave and the caller has filled.

        Raises:
            ReleaseError: a file is missing or not as the manifest says.
            OSError: the disk is full or broken; nothing was installed.
        """
        manifest, slot = read_files(folder)
        for name in (MANIFEST_FILE, *files_of(manifest)):
            sync_file(folder / name)
        sync_folder(folder)
        folder.chmod(0o755)
        self._step("slot: on the disk")
        place = self.folder / slot
        if place.exists():
            with suppress(ReleaseError):
                return read_slot(place)
            decayed = self.folder / f".decayed-{slot}"
            shutil.rmtree(decayed, ignore_errors=True)
            place.rename(decayed)
            self._step("slot: a decayed one moved away")
        folder.rename(place)
        self._step("slot: renamed")
        sync_folder(self.folder)
        return Slot(place, manifest)

    def mark(self, slot: str) -> None:
        """Note that a slot becomes the current one, should the pointer get lost.

        Raises:
            ConfigError: the home cannot be written.
        """
        path = self.folder / slot / _ACTIVATED
        try:
            path.touch()
            os.utime(path)
            sync_folder(path.parent)
        except OSError as error:
            raise ConfigError(f"cannot write in {path.parent}: {error.strerror}") from error

    def unmark(self, slot: str) -> None:
        """A slot is not to be found by `marked` any more."""
        with suppress(OSError):
            (self.folder / slot / _ACTIVATED).unlink()

    def marked(self) -> list[str]:
        """The slots that have been the current one and were not refused, the last one first."""
        times: list[tuple[int, str]] = []
        for slot in self.ids():
            with suppress(OSError):
                times.append(((self.folder / slot / _ACTIVATED).stat().st_mtime_ns, slot))
        return [slot for _, slot in sorted(times, reverse=True)]

    def sweep(self) -> None:
        """Delete what killed updates have left."""
        if self.folder.is_dir():
            for leftover in self.folder.glob(".*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def keep(self, slots: Container[str]) -> None:
        """Delete all others."""
        for slot in self.ids():
            if slot not in slots:
                shutil.rmtree(self.folder / slot, ignore_errors=True)
