"""The fleet's database: its errors, and its tables made."""

from edge.fleet.errors import DatabaseBusy, DatabaseError
from edge.fleet.tables import METADATA
from services.storage import database
from services.storage.database import create_missing

PREPARE_LOCK = 20_261_124  # any number of our own, the same in every process


class Database(database.Database):
    """A file leaves the inbox once its rows are committed: they outlast a power cut."""

    error, busy = DatabaseError, DatabaseBusy
    synchronous = "FULL"

    def prepare(self) -> None:
        """Create missing tables and columns; any number of processes may do so at once.

        Raises:
            DatabaseError: the database refused.
        """
        with self.transaction(writes=True) as connection:
            create_missing(connection, METADATA, PREPARE_LOCK)
