"""What tests read from checks."""

from collections.abc import Iterable

from tasks.operations.doctor.check import Check, State


def the_fault(checks: Iterable[Check]) -> Check:
    """The only one that is wrong; it says what that means, and what to do."""
    (found,) = [check for check in checks if check.state is State.FAULT]
    assert found.meaning and found.cure
    return found


def states(checks: Iterable[Check]) -> set[State]:
    return {check.state for check in checks}
