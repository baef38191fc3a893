"""What keeps the stack from running."""


class StackError(Exception):
    """A person has to do something; the message says what."""
