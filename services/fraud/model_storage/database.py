"""The PostgreSQL database in which several machines share models and their roles.

Its schema `fraud_models` has three tables:

- `registry`: the registry and the block of promotion, as texts in JSON, and the tables' version;
- `models`: one row for each model;
- `files`: their files, each with its sha256.

Whoever writes first makes them; where there are none, nothing is shared yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from services.fraud.errors import ModelsBusy, ModelsUnavailable
from services.storage.database import PATIENCE_S, PostgresDatabase, wait_for_turn
from services.storage.utc import UtcDateTime

SCHEMA = "fraud_models"
VERSION = "1"
VERSION_NAME = "version"
MAKE_LOCK, CHANGE_LOCK = 20_261_124, 20_261_125  # any numbers, the same in every process
HANGS_AFTER_S = 60.0  # within which the largest model arrives
METADATA = sa.MetaData(schema=SCHEMA)

REGISTRY = sa.Table(
    "registry",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
)

MODELS = sa.Table(
    "models",
    METADATA,
    sa.Column("tag", sa.Text, primary_key=True),
    sa.Column("saved_at", UtcDateTime, nullable=False),
)

FILES = sa.Table(
    "files",
    METADATA,
    sa.Column("tag", sa.Text, sa.ForeignKey(MODELS.c.tag, ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)


class ModelDatabase(PostgresDatabase):
    """Transactions on the tables, which are made, and checked, when they are first needed."""

    error, busy = ModelsUnavailable, ModelsBusy
    form = (
        "models are shared in PostgreSQL: TRIPTYCH_FRAUD_STATE_URL is to be of the form"
        " postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, with %40 for each @ in the password"
    )

    def __init__(
        self, url: str, *, patience_s: float = PATIENCE_S, keeps_open: bool = False
    ) -> None:
        """Connect to nothing yet.

        keeps_open: whether a connection is kept for the next transaction, until `close`, and cut
            where the server hangs.

        Raises: ModelsUnavailable: not an address, or not one of PostgreSQL.
        """
        super().__init__(
            url,
            patience_s=patience_s,
            keeps_open=keeps_open,
            hangs_after_s=HANGS_AFTER_S if keeps_open else None,
        )
        self._is_known = False

    @contextmanager
    def reading(self) -> Iterator[sa.Connection | None]:
        """A connection in a transaction; None where nothing was written yet.

        Raises: ModelsUnavailable: the database refused, or its tables are of another version.
        """
        with self._forgetful(), self.transaction(writes=False) as connection:
            yield connection if self._are_made(connection) else None

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection in a transaction that is committed at the end. Raises: as `reading`."""
        with self._forgetful():
            if not self._is_known:
                self._make()
            with self.transaction(writes=True) as connection:
                yield connection

    @contextmanager
    def _forgetful(self) -> Iterator[None]:
        """After an error the tables are looked at anew: the database may be another one."""
        try:
            yield
        except ModelsUnavailable:
            self._is_known = False
            raise

    def _make(self) -> None:
        with self.transaction(writes=True) as connection:
            wait_for_turn(connection, MAKE_LOCK)
            if self._are_made(connection):
                return
            # Also where the schema is there, this asks for the right to make one.
            if connection.scalar(sa.text(f"SELECT to_regnamespace('{SCHEMA}')")) is None:
                connection.execute(sa.schema.CreateSchema(SCHEMA))
            METADATA.create_all(connection)
            connection.execute(sa.insert(REGISTRY).values(name=VERSION_NAME, content=VERSION))
        self._is_known = True

    def _are_made(self, connection: sa.Connection) -> bool:
        if not self._is_known:
            if connection.scalar(sa.text(f"SELECT to_regclass('{SCHEMA}.registry')")) is None:
                return False
            query = sa.select(REGISTRY.c.content).where(REGISTRY.c.name == VERSION_NAME)
            found = connection.scalar(query)
            if found != VERSION:
                raise self.refuse(
                    f"the tables of its schema {SCHEMA} are of version {found}, and this program"
                    f" knows version {VERSION}: bring all machines to the same version of Triptych"
                )
            self._is_known = True
        return True
