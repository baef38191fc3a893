"""Where models and their roles are: in a home, or in a database that several machines share.

Without a database everything lies in the home, in its store and its registry. With one, what it
says counts, and the home's store is a cache: a model that is not there, whole, is fetched from the
database, and one that is saved goes into both. The home's own registry is not looked at then, and
stays as it is.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from pydantic import SecretStr

from services.fraud.errors import ModelError, ModelsUnavailable
from services.fraud.model_storage.database import ModelDatabase
from services.fraud.model_storage.last_seen import LastSeen
from services.fraud.model_storage.model_rows import Kept, ModelRows
from services.fraud.model_storage.registry_rows import RegistryRows
from services.fraud.model_storage.registry_storage import BLOCK, STANDING, RegistryFiles
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring import store
from services.fraud.scoring.registry import Check, Registry
from services.storage.database import PATIENCE_S
from services.storage.files import write_bytes

SERVICE_PATIENCE_S = 2.0
SHARE = "python -m flows.manage_models --share"


@dataclass(frozen=True)
class Shared:
    """What came of copying a home's models and roles into the database.

    Attributes:
        copied: the models that were not there before.
        damaged: what is wrong with those that were left out.
        own: how models stand in the home; there: in the database, by now.
    """

    copied: tuple[str, ...]
    damaged: tuple[str, ...]
    own: Standing
    there: Standing


class Models:
    """The models of a home, and of the database that it shares models in, if it does.

    All methods raise ModelsUnavailable where that is needed and cannot be used.
    """

    def __init__(self, home: Path, url: SecretStr | None = None, *, serves: bool = False) -> None:
        """Open nothing yet.

        Args:
            url: of the database, as TRIPTYCH_FRAUD_STATE_URL has it; None: the home is all.
            serves: whether this is a service, which looks again and again: it waits for no more
                than `SERVICE_PATIENCE_S`, keeps a connection until `close`, and notes in the home
                what it saw last, for a start without the database.
        """
        self.home, self._url, self._serves = home, url, serves

    @property
    def is_shared(self) -> bool:
        """Whether there is a database."""
        return self._url is not None

    @property
    def places(self) -> str:
        """Where models are looked for, in words."""
        local = str(store.store_folder(self.home))
        return f"{local} and database {self._database.address}" if self.is_shared else local

    def registry(self, check: Check = lambda tag: None) -> Registry:
        """Their roles. check: as `Registry` takes it."""
        if not self.is_shared:
            return Registry(self.home, check)
        seen = LastSeen(self.home, self._database.address) if self._serves else None
        rows = RegistryRows(self._database, last_seen=seen, not_moved=self._left_behind)
        return Registry(rows, check, self._offer)

    def save(self, folder: Path, labels: Mapping[str, str] | None = None) -> str:
        """Keep a model folder; its tag. Raises: ModelError: as `store.save`."""
        tag = store.save(folder, self.home, labels)
        if self.is_shared:
            try:
                self._offer(tag)
            except ModelsUnavailable as error:
                raise type(error)(
                    f"{error}; {tag} is in the store of this home alone: {SHARE} copies it"
                ) from error
        return tag

    def folder(self, tag: str) -> Path:
        """The files of a model, whole, in the store of the home.

        Raises: ModelError: no such model, or a damaged one; names those there are.
        """
        store.check_tag(tag)
        if self.is_shared and store.fault(tag, self.home) is not None:
            files = self._shared_files(tag)
            if files is not None:
                store.put(tag, self.home, files)
            elif not store.place(tag, self.home).exists():
                known = ", ".join(self.tags()[:5]) or "none"
                raise ModelError(f"no model {tag} in {self.places}; newest there: {known}")
        return store.folder(tag, self.home)

    @contextmanager
    def files_of(self, tag: str) -> Iterator[Path]:
        """The files of a model, for a look during a block: the home stays as it is.

        Raises: ModelError: there are none, or they are damaged.
        """
        told = store.fault(tag, self.home)
        if told is None:
            yield store.place(tag, self.home)
            return
        files = self._shared_files(tag) if self.is_shared else None
        if files is None:
            raise ModelError(told)
        with tempfile.TemporaryDirectory(prefix="fraud-model-") as folder:
            for name, content in files.items():
                write_bytes(Path(folder) / name, content)
            yield Path(folder)

    def fault(self, tag: str) -> str | None:
        """What is wrong with a model's files, told without BentoML; None: they can be had."""
        told = store.fault(tag, self.home)
        if told is None or (self.is_shared and self._rows.digests(tag)):
            return None
        return told

    def digests(self, tag: str) -> dict[str, str]:
        """The sha256 of each file of a model, as it is; empty: there is no such model."""
        try:
            return store.digests(store.place(tag, self.home))
        except OSError:
            found = self._rows.digests(tag) if self.is_shared else {}
            return {name: digest for name, digest in found.items() if name in store.FILES}

    def read(self, tag: str, name: str) -> bytes:
        """One file of a model, as it is. Raises: OSError: there is none that can be read."""
        try:
            return (store.place(tag, self.home) / name).read_bytes()
        except OSError:
            content = self._rows.file(tag, name) if self.is_shared else None
            if content is None:
                raise
            return content

    def tags(self) -> list[str]:
        """All models that there are, newest first."""
        shared = self._rows.all() if self.is_shared else {}
        return sorted({*store.tags(self.home), *shared}, reverse=True)

    def shared(self) -> dict[str, Kept]:
        """The models in the database, by their tags; without one, none."""
        return self._rows.all() if self.is_shared else {}

    def delete_shared(self, tags: list[str]) -> None:
        """Keep models in the database no longer."""
        if self.is_shared:
            self._rows.delete(tags)

    def share(self) -> Shared:
        """Copy the home's models into the database, and its roles, if that has none yet.

        Raises: ModelError: there is no database, the home's registry is damaged, or a model that
            is to have a role there cannot be copied: no role is copied then.
        """
        if not self.is_shared:
            raise ModelError("TRIPTYCH_FRAUD_STATE_URL is not set: it names the database to share")
        own = Registry(self.home).read()
        kept, copied, damaged = self._rows.all(), [], []
        for tag in store.tags(self.home):
            if tag in kept:
                continue
            if told := store.fault(tag, self.home):
                damaged.append(told)
            else:
                self._offer(tag)
                copied.append(tag)
        files, rows = RegistryFiles(self.home), RegistryRows(self._database)
        with rows.changes():
            if rows.read(STANDING) is None:
                self._require_copied(own, {*kept, *copied})
                for name in (STANDING, BLOCK):
                    text = files.read(name)
                    if text is not None:
                        rows.write(name, text.decode())
        return Shared(tuple(copied), tuple(damaged), own, Registry(rows).read())

    def _require_copied(self, own: Standing, there: set[str]) -> None:
        """Raises: ModelError: of the home's champion and shadow one is not there; says why."""
        for tag in filter(None, (own.champion, own.shadow)):
            if tag not in there:
                told = store.fault(tag, self.home) or f"{tag} is not in the store of this home"
                raise ModelError(
                    f"no role is copied, for the {own.role(tag)} cannot be: {told}; with"
                    " TRIPTYCH_FRAUD_STATE_URL unset, give its role to another model, and share"
                    " again"
                )

    def close(self) -> None:
        """Close what is kept open."""
        if self._serves and self.is_shared:
            self._database.close()

    @cached_property
    def _database(self) -> ModelDatabase:
        assert self._url is not None
        patience_s = SERVICE_PATIENCE_S if self._serves else PATIENCE_S
        url = self._url.get_secret_value()
        return ModelDatabase(url, patience_s=patience_s, keeps_open=self._serves)

    @property
    def _rows(self) -> ModelRows:
        return ModelRows(self._database)

    def _shared_files(self, tag: str) -> dict[str, bytes] | None:
        """The files that the database has of a model; None: there is no such model.

        Raises: ModelError: they are damaged, or others than a model has.
        """
        files = self._rows.get(tag)
        if files is not None and set(files) != {*store.FILES, store.ABOUT}:
            raise ModelError(
                f"model {tag} in database {self._database.address} is damaged: it has the files"
                f" {', '.join(sorted(files))}"
            )
        return files

    def _offer(self, tag: str) -> None:
        """See to it that the database has a model of this home's store."""
        if not self._rows.digests(tag):
            try:
                files = store.content(tag, self.home)
                saved_at = store.place(tag, self.home).stat().st_mtime
            except OSError as error:
                raise ModelError(f"model {tag} cannot be read: {error.strerror}") from error
            self._rows.put(tag, files, datetime.fromtimestamp(saved_at, UTC))

    def _left_behind(self) -> str | None:
        """That this home has a champion of its own, which the database does not know."""
        try:
            text = RegistryFiles(self.home).read(STANDING)
            champion = None if text is None else Standing.from_text(text).champion
        except (OSError, ValueError):  # nothing in it can be told apart from nothing
            return None
        if champion is None:
            return None
        return f"no model has a role there yet, and in {self.home} {champion} is champion: {SHARE}"
