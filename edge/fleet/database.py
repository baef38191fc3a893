"""The fleet's database: its errors, and its tables made."""

import sqlalchemy as sa

from edge.fleet.errors import DatabaseBusy, DatabaseError
from edge.fleet.tables import METADATA
from services.storage import database
from services.storage.database import wait_for_turn

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
            wait_for_turn(connection, PREPARE_LOCK)
            METADATA.create_all(connection)
            for table in METADATA.sorted_tables:
                names = {found["name"] for found in sa.inspect(connection).get_columns(table.name)}
                for column in table.columns:
                    if column.name not in names:  # in the rows of before, it is null
                        kind = column.type.compile(connection.dialect)
                        connection.exec_driver_sql(
                            f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                        )
