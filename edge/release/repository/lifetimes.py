"""How long signed metadata is good for, and when it is time to sign it again."""

from dataclasses import dataclass
from datetime import timedelta

# Shares of the time that are left when it is time. Root waits: its keys are fetched from a drawer.
_DUE = {"root": 1 / 6, "targets": 1 / 2, "snapshot": 1 / 2, "timestamp": 3 / 4}


@dataclass(frozen=True)
class Lifetimes:
    """From signing to expiry, by role.

    Short ones bound for how long an attacker can keep news from a device: it notices that its
    timestamp has expired. Signing again is meant for every day, and a timestamp outlives two days
    on which that did not happen.
    """

    root: timedelta = timedelta(days=365)
    targets: timedelta = timedelta(days=90)
    snapshot: timedelta = timedelta(days=7)
    timestamp: timedelta = timedelta(days=3)

    def of(self, role: str) -> timedelta:
        """The time of a role."""
        lifetime: timedelta = getattr(self, role)
        return lifetime

    def is_due(self, role: str, left: timedelta) -> bool:
        """Whether to sign again, with so much time left."""
        return left < self.of(role) * _DUE[role]
