"""The registry in the shared database: each text is a row, and a change is one transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from services.fraud.errors import ModelsNotShared
from services.fraud.model_storage.database import CHANGE_LOCK, REGISTRY, ModelDatabase
from services.fraud.model_storage.last_seen import LastSeen
from services.fraud.model_storage.registry_storage import STANDING
from services.storage.database import wait_for_turn


class RegistryRows:
    """See `RegistryStorage`."""

    def __init__(
        self,
        database: ModelDatabase,
        *,
        last_seen: LastSeen | None = None,
        not_moved: Callable[[], str | None] = lambda: None,
    ) -> None:
        """
        Args:
            last_seen: takes note of what was read last.
            not_moved: what has to be moved here before an empty database may be taken for an empty
                registry; None: nothing.
        """
        self._database, self._last_seen, self._not_moved = database, last_seen, not_moved
        self._changing: sa.Connection | None = None

    def place(self, name: str) -> str:
        return f"{name} in database {self._database.address}"

    def read(self, name: str) -> str | None:
        if self._changing is not None:
            text = _read(self._changing, name)
        else:
            with self._database.reading() as connection:
                text = None if connection is None else _read(connection, name)
        if name == STANDING:
            if text is None and (why := self._not_moved()):
                raise ModelsNotShared(f"database {self._database.address}: {why}")
            if text is not None and self._last_seen:
                self._last_seen.note(text)
        return text

    def last_seen(self, name: str) -> str | None:
        return self._last_seen.read() if self._last_seen and name == STANDING else None

    def write(self, name: str, text: str | None) -> None:
        assert self._changing is not None, "outside of a block of changes"
        if text is None:
            self._changing.execute(sa.delete(REGISTRY).where(REGISTRY.c.name == name))
            return
        insert = postgresql.insert(REGISTRY).values(name=name, content=text)
        replace = insert.on_conflict_do_update(
            index_elements=[REGISTRY.c.name], set_={"content": insert.excluded.content}
        )
        self._changing.execute(replace)

    @contextmanager
    def changes(self) -> Iterator[None]:
        with self._database.writing() as connection:
            wait_for_turn(connection, CHANGE_LOCK)
            self._changing = connection
            try:
                yield
            finally:
                self._changing = None


def _read(connection: sa.Connection, name: str) -> str | None:
    found: str | None = connection.scalar(
        sa.select(REGISTRY.c.content).where(REGISTRY.c.name == name)
    )
    return found
