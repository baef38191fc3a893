"""Models in the shared database: all files of each, whole, and checked on their way out."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from services.fraud.errors import ModelError
from services.fraud.model_storage.database import FILES, MODELS, ModelDatabase


@dataclass(frozen=True)
class Kept:
    """A model that is kept: since when, and how large its files are."""

    saved_at: datetime
    size: int  # bytes


class ModelRows:
    """The models of a database, by their tags. All methods raise ModelsUnavailable."""

    def __init__(self, database: ModelDatabase) -> None:
        self._database = database

    def put(self, tag: str, files: Mapping[str, bytes], saved_at: datetime) -> None:
        """Keep a model; one that is there already stays.

        Raises: ModelError: another one with this tag is there.
        """
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        with self._database.writing() as connection:
            insert = postgresql.insert(MODELS).values(tag=tag, saved_at=saved_at)
            is_new = insert.on_conflict_do_nothing().returning(MODELS.c.tag)
            if connection.scalar(is_new) is not None:
                rows = [
                    {"tag": tag, "name": name, "sha256": digests[name], "content": content}
                    for name, content in files.items()
                ]
                connection.execute(sa.insert(FILES), rows)
            elif _digests(connection, tag) != digests:
                raise ModelError(f"another model is {tag} in database {self._database.address}")

    def get(self, tag: str) -> dict[str, bytes] | None:
        """The files of a model; None: there is no such model.

        Raises: ModelError: they are not those that were put there.
        """
        with self._database.reading() as connection:
            if connection is None:
                return None
            query = sa.select(FILES.c.name, FILES.c.sha256, FILES.c.content)
            rows = connection.execute(query.where(FILES.c.tag == tag)).all()
        for name, digest, content in rows:
            if hashlib.sha256(content).hexdigest() != digest:
                raise ModelError(
                    f"model {tag} in database {self._database.address} is damaged: its {name} is"
                    " not what was saved"
                )
        return {name: content for name, _, content in rows} or None

    def all(self) -> dict[str, Kept]:
        """Every model that is kept."""
        with self._database.reading() as connection:
            if connection is None:
                return {}
            size = sa.func.sum(sa.func.octet_length(FILES.c.content))
            query = sa.select(MODELS.c.tag, MODELS.c.saved_at, size).join(FILES)
            rows = connection.execute(query.group_by(MODELS.c.tag, MODELS.c.saved_at)).all()
        return {tag: Kept(saved_at, int(bytes_)) for tag, saved_at, bytes_ in rows}

    def digests(self, tag: str) -> dict[str, str]:
        """The sha256 of each file of a model; empty: there is no such model."""
        with self._database.reading() as connection:
            return {} if connection is None else _digests(connection, tag)

    def file(self, tag: str, name: str) -> bytes | None:
        """One file of a model; None: there is no such model."""
        query = sa.select(FILES.c.content).where(FILES.c.tag == tag, FILES.c.name == name)
        with self._database.reading() as connection:
            return None if connection is None else connection.scalar(query)

    def delete(self, tags: Collection[str]) -> None:
        """Keep these no longer."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(MODELS).where(MODELS.c.tag.in_(tags)))


def _digests(connection: sa.Connection, tag: str) -> dict[str, str]:
    query = sa.select(FILES.c.name, FILES.c.sha256).where(FILES.c.tag == tag)
    return {row.name: row.sha256 for row in connection.execute(query)}
