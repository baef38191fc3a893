"""The state: recent transactions, from which the windows of the next one are counted.

A transaction is decided and recorded as one: a retry gets the stored answer, and two transactions
of a customer at the same moment see one another in the order in which they are recorded, whoever
is asked. There are two of it, with the same promises and bit for bit the same windows:

- `in_file`: one SQLite file in the home, which all workers of a machine share;
- `in_postgres`: tables on a PostgreSQL, which any number of machines share.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from services.fraud.errors import TransactionConflict
from services.fraud.state.completeness import Coverage
from services.fraud.state.snapshot import Pointer
from services.fraud.transactions.features import Windows

NEW = 2**63 - 1  # place in the order of arrival of what has not yet arrived
PATIENCE_S = 0.1  # of a request whose transaction others keep from being recorded

Label: TypeAlias = tuple[str, bool, float]  # transaction_id, is_fraud, labelled_at: s since 1970
Decide: TypeAlias = Callable[[Windows, Coverage | None], bytes]
LogRow: TypeAlias = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction; time in seconds since 1970, UTC."""

    transaction_id: str
    customer_id: str
    terminal_id: str
    cents: int
    time: int

    @property
    def content(self) -> tuple[str, str, int, int]:
        """What its id stands for."""
        return self.customer_id, self.terminal_id, self.cents, self.time

    def check(self, known: tuple[str, str, int, int]) -> None:
        """Raises: TransactionConflict: its id is known with another content than this."""
        if self.content != known:
            names = ("customer_id", "terminal_id", "amount", "time")
            pairs = zip(names, self.content, known, strict=True)
            other = " and ".join(name for name, new, old in pairs if new != old)
            raise TransactionConflict(f"this transaction_id is known with another {other}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer.

    Attributes:
        new: it was decided now; otherwise it is the one that was given before.
        recorded: a retry will get it, and later transactions will see this one.
        logged: its row of the log was written with it.
    """

    answer: bytes
    new: bool
    recorded: bool
    logged: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load has changed; nothing if the snapshot had been loaded before.

    Attributes:
        added: transactions that were not known.
        labelled: known ones that have turned out to be fraud.
        removed: those that no window reaches any more.
        replaced: known ones of earlier snapshots that this one gives otherwise.
    """

    added: int = 0
    labelled: int = 0
    removed: int = 0
    replaced: int = 0


class State(ABC):
    """A state that is open.

    `once` is for the thread of one event loop. Everything else may be called from any thread
    meanwhile.
    """

    @abstractmethod
    async def once(
        self,
        transaction: Transaction,
        decide: Decide,
        *,
        asks_again: bool = False,
        log_row: LogRow | None = None,
    ) -> Outcome:
        """Decide on a transaction and record it, or find the answer that it got before.

        If it cannot be recorded (a full disk, a lock that others hold for too long), it is
        still decided on, by what can be read.

        Args:
            decide: makes the answer of the windows and of what the history covers. It is called
                again where these have changed before the answer was recorded: the last one counts.
            asks_again: the caller does, so it may be told that others are writing.
            log_row: gives what was decided last as a row of the log, in JSON, for a state that
                writes it together with the answer.

        Raises:
            StateBusy: others are writing; call it again in a moment.
            TransactionConflict: its id is known with other content.
            StateUnavailable: the state cannot even be read.
            Whatever `decide` raises; nothing is recorded then.
        """

    @property
    @abstractmethod
    def coverage(self) -> Coverage | None:
        """What the history covers, by the snapshots loaded; None without any.

        Raises: StateUnavailable: it cannot be read.
        """

    @property
    def as_of(self) -> int | None:
        """Up to when the history is complete, by the snapshots loaded; s since 1970, UTC.

        Raises: StateUnavailable: it cannot be read.
        """
        covered = self.coverage
        return None if covered is None else covered.as_of

    @property
    @abstractmethod
    def snapshot(self) -> str | None:
        """Digest of the snapshot that was loaded last. Raises: as `coverage`."""

    @abstractmethod
    def is_current(self) -> bool:
        """Whether this is what one would open now; for a thread, now and then.

        Once it is not, as somebody has removed or replaced it, close it and open the state anew.
        """

    @abstractmethod
    def label(self, labels: Iterable[Label]) -> int:
        """Take in labels: transaction_id, is_fraud, and since when that is known (s since 1970).

        Of each transaction, the label known latest counts, and of several that are equal in that
        the one that came last. One that comes before its transaction waits for it.

        Returns: how many of them are of transactions that are known here.

        Raises: StateUnavailable: they could not be written; some may have been. Repeat it.
        """

    @abstractmethod
    def load(self, pointer: Pointer) -> Loaded:
        """Take in a snapshot: what is missing here, and frauds that were not known as such.

        Labels that came through `label` stay: the snapshot may be older. Requests go on meanwhile,
        but for the first load into an empty state, which keeps others from writing. One process
        loads at a time; who comes later finds it done. Killed, it is repeated by the next one.

        Raises: StateUnavailable: the snapshot or the state is damaged or cannot be used.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""
