"""Where a registry is kept: texts by name, each replaced as a whole, and a lock for changes.

Here the files of a home and a copy in memory; `registry_rows` keeps it in a database.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from services.storage.files import write_text
from services.storage.locks import held

STANDING, BLOCK = "registry", "promotion_block"


class RegistryStorage(Protocol):
    """Used by one thread at a time."""

    def place(self, name: str) -> str:
        """What a text is called where it is told of."""

    def read(self, name: str) -> str | bytes | None:
        """A text; None: there is none.

        Raises:
            OSError: its file cannot be read.
            ModelsUnavailable: its database cannot be used.
        """

    def last_seen(self, name: str) -> str | None:
        """What was read before, in whichever process, where it cannot be read now."""

    def write(self, name: str, text: str | None) -> None:
        """Put a text in the place of what was there, in a block of `changes`; None: nothing."""

    def changes(self) -> AbstractContextManager[None]:
        """Nobody else changes anything during the block.

        Raises: OSError, ModelsUnavailable: as `read`.
        """


class RegistryFiles:
    """The files of a home. See `RegistryStorage`."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "fraud"

    def place(self, name: str) -> str:
        return str(self._file(name))

    def read(self, name: str) -> bytes | None:
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError:
            return None

    def last_seen(self, name: str) -> None:
        return None

    def write(self, name: str, text: str | None) -> None:
        if text is None:
            self._file(name).unlink(missing_ok=True)
        else:
            write_text(self._file(name), text)

    def changes(self) -> AbstractContextManager[None]:
        return held(self._folder / "registry.lock")

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


class RegistryCopy:
    """What a registry would say after changes that are not made. See `RegistryStorage`."""

    def __init__(self, storage: RegistryStorage) -> None:
        self._storage = storage
        self._texts = {name: storage.read(name) for name in (STANDING, BLOCK)}

    def place(self, name: str) -> str:
        return self._storage.place(name)

    def read(self, name: str) -> str | bytes | None:
        return self._texts[name]

    def last_seen(self, name: str) -> None:
        return None

    def write(self, name: str, text: str | None) -> None:
        self._texts[name] = text

    def changes(self) -> AbstractContextManager[None]:
        return nullcontext()
