"""What one look at the installation or the home has found."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it stands."""

    OK = "ok"
    FAULT = "FAULT"
    ABSENT = "not yet"


@dataclass(frozen=True)
class Check:
    """One line of what `doctor` says.

    about: what was looked at, such as "clock". told: what was found, in a line. meaning, cure: of a
        fault: what it means for those who rely on it, and what to type or do.
    """

    about: str
    state: State
    told: str
    meaning: str = ""
    cure: str = ""


def ok(about: str, told: str) -> Check:
    """Nothing is wrong."""
    return Check(about, State.OK, told)


def absent(about: str, told: str) -> Check:
    """It is not there yet, or not installed, and nobody has to do anything."""
    return Check(about, State.ABSENT, told)


def fault(about: str, told: str, meaning: str, cure: str) -> Check:
    """A person is needed."""
    return Check(about, State.FAULT, told, meaning, cure)
