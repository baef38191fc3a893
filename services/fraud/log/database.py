"""The database of answers: its errors, and its tables made."""

import sqlalchemy as sa

from services.fraud.errors import LogBusy, LogError
from services.fraud.log.tables import METADATA
from services.storage import database
from services.storage.database import wait_for_turn

PREPARE_LOCK = 20_261_123  # any number, the same in every process


class Database(database.Database):
    """A killed process loses nothing; after a power cut the last commits may be missing."""

    error, busy = LogError, LogBusy
    synchronous = "NORMAL"

    def prepare(self) -> None:
        """Create the tables that are missing; any number of processes may do so at once.

        Raises:
            LogError: the database refused.
        """
        with self.transaction(writes=True) as connection:
            create_tables(connection)


def create_tables(connection: sa.Connection) -> None:
    """Create the tables that are missing, in a writing transaction: one process at a time."""
    wait_for_turn(connection, PREPARE_LOCK)
    METADATA.create_all(connection)
