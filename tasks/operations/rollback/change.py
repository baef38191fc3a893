"""What a rollback would change, or has changed, in lines for a person."""


class RollbackError(Exception):
    """There is nothing to go back to, or not enough was said; the message says what would help."""
