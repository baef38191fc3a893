"""The database of answers: its errors, and its tables made."""

import sqlalchemy as sa

from services.fraud.errors import LogBusy, LogError
from services.fraud.log.tables import METADATA
from services.storage import database
from services.storage.database import create_missing

PREPARE_LOCK = 20_261_123  # any number, the same in every process


class Database(database.Database):
    """A killed process loses nothing; after a power cut the last commits may be missing."""

    error, busy = LogError, LogBusy
    synchronous = "NORMAL"

    def prepare(self) -> None:
        """Create missing tables and columns; any number of processes may do so at once.

        Raises: LogError: the database refused.
        """
        with self.transaction(writes=True) as connection:
            create_tables(connection)


def create_tables(connection: sa.Connection) -> None:
    """Create missing tables and columns, in a writing transaction: one process at a time."""
    create_missing(connection, METADATA, PREPARE_LOCK)
