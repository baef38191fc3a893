"""What can go wrong with a database: it is broken, or only busy.

StorageError
└── StorageBusy  locked, overloaded, restarting or away: the same again may succeed later

A panel derives its own errors from these two, so that one retry policy fits all panels.
"""


class StorageError(Exception):
    """The database refused; the message is one line that names it without its password."""


class StorageBusy(StorageError):
    """The database did not do it now, and may do it later."""
