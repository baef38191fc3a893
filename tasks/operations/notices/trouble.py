"""What is wrong at this moment and needs a person: the value that all finders of troubles give."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong.

    key: tells it from others, and stays the same for as long as it lasts, such as
        `night-failed:reviews`; what has been told is known again by it.
    what: what happened, in one line.
    meaning: what that means for those who rely on it, in one line.
    cure: what to type or do, in one line.
    """

    key: str
    what: str
    meaning: str
    cure: str
