"""The state in one SQLite file, which all workers of a machine share.

Each of them sees what another one has just answered, for a transaction is decided and recorded
under one lock.

What it costs, with 365,000 transactions (5,000 customers, 10,000 terminals, 38 days): 70 us
for a call of `once` beside the decision, 0.3 ms in the slowest of a hundred; 35 MB on disk.
All decisions of a machine come one after another, so it answers at most one transaction per
call and decision. The call grows with the key's own rows, by 0.2 us for each in the last 37
days, up to some 500 of them; a busier key is counted from buckets (`busy_keys`), in about the
same time however many it has.

Several machines cannot share the file: locks and memory maps do not work over a network. They
share the one of `in_postgres`.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from services.fraud.errors import StateBusy
from services.fraud.state.completeness import Coverage
from services.fraud.state.in_file.coverage import read_coverage
from services.fraud.state.in_file.history import load, write_labels
from services.fraud.state.in_file.state_file import LONG_PATIENCE_S, StateFile, WriteBusy
from services.fraud.state.in_file.window_counts import count_windows
from services.fraud.state.snapshot import Pointer
from services.fraud.state.state import (
    NEW,
    PATIENCE_S,
    Decide,
    Label,
    Loaded,
    LogRow,
    Outcome,
    State,
    Transaction,
)

logger = logging.getLogger(__name__)

_FIND = (
    "SELECT seq, answer, customer_id, terminal_id, cents, time FROM transactions"
    " WHERE transaction_id = ?"
)
_RECORD = (
    "INSERT INTO transactions"
    " (transaction_id, customer_id, terminal_id, cents, time, answer) VALUES (?, ?, ?, ?, ?, ?)"
)


class FileState(State):
    """The state in a file.

    `once` never suspends, and is for one thread at a time. What else writes opens the file on
    its own.
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

    async def once(
        self,
        transaction: Transaction,
        decide: Decide,
        *,
        asks_again: bool = False,
        log_row: LogRow | None = None,
    ) -> Outcome:
        covered, answer = self.coverage, None
        try:
            with self._file.writing():
                seq, known = self._find(transaction)
                if known is not None:
                    return Outcome(known, new=False, recorded=True)
                answer = decide(count_windows(self._execute, transaction, seq), covered)
                self._record(transaction, seq, answer)
        except sqlite3.Error as error:
            if asks_again and isinstance(error, WriteBusy):
                raise StateBusy(f"state {self._path}: {error}") from error
            if self._writable:
                logger.warning("state %s cannot be written: %s", self._path, error)
            self._writable = False
            return self._once_unrecorded(transaction, decide, covered, answer)
        self._writable = True
        return Outcome(answer, new=True, recorded=True)

    @property
    def coverage(self) -> Coverage | None:
        with self._file.reading():
            return read_coverage(self._file.connection)

    @property
    def snapshot(self) -> str | None:
        with self._file.reading():
            row = self._execute("SELECT value FROM facts WHERE name = 'snapshot'").fetchone()
            return row[0] if row else None

    def is_current(self) -> bool:
        """Whether the file that was opened is still the one at its path.

        Once somebody has removed or replaced it, this object goes on with the one it has, alone:
        processes that start later see other transactions.
        """
        return self._file.is_current()

    def label(self, labels: Iterable[Label]) -> int:
        with self._apart() as file:
            return write_labels(file, labels)

    def load(self, pointer: Pointer) -> Loaded:
        with self._apart() as file:
            return load(file, pointer)

    def close(self) -> None:
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
        self,
        transaction: Transaction,
        decide: Decide,
        covered: Coverage | None,
        answer: bytes | None,
    ) -> Outcome:
        with self._file.reading():
            seq, known = self._find(transaction)
            if known is not None:
                return Outcome(known, new=False, recorded=True)
            windows = None
            if answer is None:
                windows = count_windows(self._execute, transaction, seq)
        if windows is not None:
            answer = decide(windows, covered)
        assert answer is not None
        return Outcome(answer, new=True, recorded=False)

    def _find(self, transaction: Transaction) -> tuple[int, bytes | None]:
        """Its place in the order of arrival, and its answer if it has got one."""
        row = self._execute(_FIND, (transaction.transaction_id,)).fetchone()
        if row is None:
            return NEW, None
        seq, answer, *content = row
        transaction.check(tuple(content))
        return seq, answer

    def _record(self, transaction: Transaction, seq: int, answer: bytes) -> None:
        if seq != NEW:
            self._execute("UPDATE transactions SET answer = ? WHERE seq = ?", (answer, seq))
            return
        self._execute(_RECORD, (transaction.transaction_id, *transaction.content, answer))
