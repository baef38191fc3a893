"""The state: recent transactions, from which the windows of the next one are counted.

All workers of a machine share one SQLite file, so each of them sees what another one has just
answered. A transaction is decided and recorded under one lock: a retry gets the stored answer,
and two transactions of a customer at the same moment see one another in the order in which
they are recorded.

What it costs, with 365,000 transactions (5,000 customers, 10,000 terminals, 38 days): 70 us
for a call of `once` beside the decision, 0.3 ms in the slowest of a hundred; 35 MB on disk.
All decisions of a machine come one after another, so it answers at most one transaction per
call and decision. The call grows with the key's own rows, by 0.2 us for each in the last 37
days, up to some 500 of them; a busier key is counted from buckets (`busy_keys`), in about the
same time however many it has.

Several machines cannot share the file: locks and memory maps do not work over a network. They
need either one machine that holds the state and is asked by the others, or the same methods
over a database server that keeps transactions of one customer or terminal in order.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from services.fraud.errors import StateBusy, TransactionConflict
from services.fraud.state.completeness import Coverage
from services.fraud.state.history import Label, Loaded, load, read_coverage, write_labels
from services.fraud.state.snapshot import Pointer
from services.fraud.state.state_file import LONG_PATIENCE_S, StateFile, WriteBusy
from services.fraud.state.window_counts import NEW, Transaction, count_windows
from services.fraud.transactions.features import Windows

logger = logging.getLogger(__name__)

PATIENCE_S = 0.1  # of a request whose transaction others keep from being recorded

_FIND = (
    "SELECT seq, answer, customer_id, terminal_id, cents, time FROM transactions"
    " WHERE transaction_id = ?"
)
_RECORD = (
    "INSERT INTO transactions"
    " (transaction_id, customer_id, terminal_id, cents, time, answer) VALUES (?, ?, ?, ?, ?, ?)"
)

Decide: TypeAlias = Callable[[Windows], bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer.

    Attributes:
        new: it was decided now; otherwise it is the one that was given before.
        recorded: a retry will get it, and later transactions will see this one.
    """

    answer: bytes
    new: bool
    recorded: bool


class State:
    """The state in a file.

    `once` is for one thread at a time. Everything else may be called from any
    thread meanwhile: what writes opens the file on its own.
    """

    def __init__(self, path: Path, *, patience_s: float = PATIENCE_S) -> None:
        """Open the state, or make an empty one.

        Args: patience_s: how long `once` waits for others before it gives up recording.

        Raises: StateUnavailable: it is damaged; the message says what to do.
        """
        self._path = path
        self._file = StateFile(path, patience_s=patience_s)
        self._execute = self._file.connection.execute
        self._writable = True  # as far as is known; a change to False is logged

    def once(
        self, transaction: Transaction, decide: Decide, *, asks_again: bool = False
    ) -> Outcome:
        """Decide on a transaction and record it, or find the answer that it got before.

        If it cannot be recorded (a full disk, a lock that others hold for too long), it is
        still decided on, by what can be read.

        Args: asks_again: the caller does, so it is not decided on while others hold the lock.

        Raises:
            StateBusy: they do.
            TransactionConflict: its id is known with other content.
            StateUnavailable: the state cannot even be read.
            Whatever `decide` raises; nothing is recorded then.
        """
        answer = None
        try:
            with self._file.writing():
                seq, known = self._find(transaction)
                if known is not None:
                    return Outcome(known, new=False, recorded=True)
                answer = decide(count_windows(self._execute, transaction, seq))
                self._record(transaction, seq, answer)
        except sqlite3.Error as error:
            if asks_again and isinstance(error, WriteBusy):
                raise StateBusy(f"state {self._path}: {error}") from error
            if self._writable:
                logger.warning("state %s cannot be written: %s", self._path, error)
            self._writable = False
            return self._once_unrecorded(transaction, decide, answer)
        self._writable = True
        return Outcome(answer, new=True, recorded=True)

    @property
    def as_of(self) -> int | None:
        """Up to when the history is complete, by the snapshots loaded; s since 1970, UTC."""
        covered = self.coverage
        return None if covered is None else covered.as_of

    @property
    def coverage(self) -> Coverage | None:
        """What the history covers, by the snapshots loaded; None without any."""
        with self._file.reading():
            return read_coverage(self._file.connection)

    @property
    def snapshot(self) -> str | None:
        """Digest of the snapshot that was loaded last."""
        with self._file.reading():
            row = self._execute("SELECT value FROM facts WHERE name = 'snapshot'").fetchone()
            return row[0] if row else None

    def is_current(self) -> bool:
        """Whether the file that was opened is still the one at its path; for now and then.

        Once somebody has removed or replaced it, this object goes on with the one it has, alone:
        processes that start later see other transactions. Close it and open the state anew.
        """
        return self._file.is_current()

    def label(self, labels: Iterable[Label]) -> int:
        """Take in labels: transaction_id, is_fraud, and since when that is known (s since 1970).

        Of each transaction, the label known latest counts, and of several that are equal in that
        the one that came last. One that comes before its transaction waits for it.

        Returns: how many of them are of transactions that are known here.

        Raises: StateUnavailable: they could not be written; some may have been. Repeat it.
        """
        with self._apart() as file:
            return write_labels(file, labels)

    def load(self, pointer: Pointer) -> Loaded:
        """Take in a snapshot: what is missing here, and frauds that were not known as such.

        Labels that came through `label` stay: the snapshot may be older. Requests go on meanwhile,
        but for the first load into an empty state, which keeps others from writing. One process
        loads at a time; who comes later finds it done. Killed, it is repeated by the next one.

        Raises: StateUnavailable: the snapshot or the state is damaged or cannot be used.
        """
        with self._apart() as file:
            return load(file, pointer)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _apart(self) -> Iterator[StateFile]:
        """The file opened once more, for another thread and with more patience."""
        self._file.check()
        with closing(StateFile(self._path, patience_s=LONG_PATIENCE_S)) as file:
            try:
                yield file
            except (sqlite3.Error, OSError) as error:
                raise file.explain(error) from error

    def _once_unrecorded(
        self, transaction: Transaction, decide: Decide, answer: bytes | None
    ) -> Outcome:
        with self._file.reading():
            seq, known = self._find(transaction)
            if known is not None:
                return Outcome(known, new=False, recorded=True)
            windows = None
            if answer is None:
                windows = count_windows(self._execute, transaction, seq)
        if windows is not None:
            answer = decide(windows)
        assert answer is not None
        return Outcome(answer, new=True, recorded=False)

    def _find(self, transaction: Transaction) -> tuple[int, bytes | None]:
        """Its place in the order of arrival, and its answer if it has got one."""
        row = self._execute(_FIND, (transaction.transaction_id,)).fetchone()
        if row is None:
            return NEW, None
        seq, answer, *content = row
        if transaction.content != tuple(content):
            names = ("customer_id", "terminal_id", "amount", "time")
            pairs = zip(names, transaction.content, content, strict=True)
            other = " and ".join(name for name, new, old in pairs if new != old)
            raise TransactionConflict(f"this transaction_id is known with another {other}")
        return seq, answer

    def _record(self, transaction: Transaction, seq: int, answer: bytes) -> None:
        if seq != NEW:
            self._execute("UPDATE transactions SET answer = ? WHERE seq = ?", (answer, seq))
            return
        self._execute(_RECORD, (transaction.transaction_id, *transaction.content, answer))
