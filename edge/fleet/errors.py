"""What can go wrong on the fleet's side, named by whose fault it is.

FleetError
├── InboxError     the folder that telemetry arrives in cannot be used
└── DatabaseError  the database refused, or its address is wrong
    └── DatabaseBusy  it is locked, restarting or away: try again

What a device sends is never an error here: a record that is no good is rejected and counted.
"""

from services.storage.errors import StorageBusy, StorageError


class FleetError(Exception):
    """Base of all errors that this package raises on purpose; the message is fit for a user."""


class InboxError(FleetError):
    """The folder of arriving telemetry cannot be read or written."""


class DatabaseError(FleetError, StorageError):
    """The database refused; the message names it without its password."""


class DatabaseBusy(DatabaseError, StorageBusy):
    """The database was locked, restarting or out of reach; later it may answer."""
