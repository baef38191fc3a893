"""What may come of a rehearsal: it cannot be begun, there is nothing to break, or it broke."""


class RehearsalError(Exception):
    """Nothing was rehearsed; says why, and what would help."""


class NothingToBreak(Exception):
    """A panel has nothing in this home yet; says what to type."""


class Broken(Exception):
    """The fault did harm that it must not do; says which."""
