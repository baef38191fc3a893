"""What a soak leaves: what was asked and answered, what the log has, and what was measured.

Instants are in seconds since 1970, so that they can be laid beside those of the log's rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

POSTGRES = "PostgreSQL"  # among the processes
NOT_RECORDED = "not_recorded"  # of an answer whose retry may be another one


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    kind: why: new, twin (to both replicas at once), repeat (of one that was answered long ago),
    features, batch, labels. key: its transaction, if it is about one. labels: the transactions
    that it labels.
    """

    kind: str
    path: str
    body: bytes
    key: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One that came with status 200."""

    request_id: str
    model: str | None  # labels have none
    digest: bytes  # of the body
    degraded: tuple[str, ...]
    replica: int

    @property
    def is_recorded(self) -> bool:
        """Whether a retry has to get the same."""
        return NOT_RECORDED not in self.degraded


@dataclass(slots=True)
class Outcome:
    """What became of a request: its failed attempts, and its answer, if one came."""

    request: Request
    scheduled_s: float
    failures: list[tuple[float, str]] = field(default_factory=list)  # when, and what
    answer: Answer | None = None
    answered_s: float | None = None

    @property
    def took_ms(self) -> float | None:
        """From when it was scheduled, with all failed attempts in it."""
        return None if self.answered_s is None else 1e3 * (self.answered_s - self.scheduled_s)


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of `fraud_predictions`."""

    request_id: str
    transaction_id: str | None
    model: str
    answered_at: float
    degraded: str | None

    @property
    def is_recorded(self) -> bool:
        """Whether it belongs to an answer that retries get again."""
        return NOT_RECORDED not in (self.degraded or "")


@dataclass(frozen=True, slots=True)
class Reign:
    """When a model may have answered: from the order to take it up until the next one's end."""

    model: str
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL of a replica, by its place among the clients' addresses."""

    replica: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What processes, files and tables take at one moment.

    memory: bytes by process, named `PART#LIFE` so that one that was started again counts anew.
    open_files: their number, likewise. files: bytes by part of the home folders. tables: bytes by
    table; empty while there is no database.
    """

    at_s: float
    memory: Mapping[str, int]
    open_files: Mapping[str, int]
    files: Mapping[str, int]
    tables: Mapping[str, int]
