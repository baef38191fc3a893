"""What keeps a rollback from being made."""


class RollbackError(Exception):
    """There is nothing to go back to, or not enough was said; the message says what would help."""
