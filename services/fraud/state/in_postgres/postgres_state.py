"""The state on a PostgreSQL, which any number of machines share.

A transaction is asked about, decided on, and recorded: two statements, each a transaction of its
own, and no lock is held while the model answers or a message travels. What is recorded has been
decided on the windows of that very moment: the second statement locks the transaction's customer
and terminal, counts once more, and writes only if nothing has changed; else it is decided on
again. So transactions of one customer or terminal come one after another, in the order in which
they are recorded, from whatever machine; others side by side. In one process those of a customer
wait for one another before they ask.

A request gets its answer within a quarter of a second, whatever becomes of the database: what
cannot be read in time is unavailable, what cannot be recorded in time is answered unrecorded,
though it may then have been recorded all the same. Nothing is lost that the database has
committed; what that withstands is the server's own matter (`synchronous_commit`).
"""

import asyncio
import logging
import time
from collections.abc import Iterable

import psycopg
from psycopg import pq

from services.fraud.errors import StateUnavailable
from services.fraud.state.completeness import Coverage
from services.fraud.state.in_postgres import schema
from services.fraud.state.in_postgres.address import StateAddress
from services.fraud.state.in_postgres.connections import Connections
from services.fraud.state.in_postgres.exchange import Late, Lost, Statement, Values
from services.fraud.state.in_postgres.found import Known, read_known, read_whole, read_windows
from services.fraud.state.in_postgres.history import facts, load, write_labels
from services.fraud.state.in_postgres.patience import Patience
from services.fraud.state.in_postgres.session import Lender, Session
from services.fraud.state.in_postgres.turns import Turns
from services.fraud.state.snapshot import Pointer
from services.fraud.state.state import (
    Decide,
    Label,
    Loaded,
    LogRow,
    Outcome,
    State,
    Transaction,
)

# A till waits for a second or two, for all that lies between it and this answer.
READ_S, WRITE_S = 0.15, 0.1
SHORT_S = 0.02  # of those who come after one that has waited in vain
LOCKS_SHARE = 0.8  # of the time to write: the rest is for saying that a lock was not got
LOOK_EVERY_S = 5.0  # whether the state is still there, where no request tells
SESSION_S = 2.0  # for a look, or a chunk of labels
logger = logging.getLogger(__name__)

# Classes of PostgreSQL's errors: values, constraints, names and rights.
_REFUSALS = {"22", "23", "42"}
_TEXT, _BINARY = pq.Format.TEXT, pq.Format.BINARY
_ASK = Statement(b"SELECT fraud_state.ask($1, $2, $3, $4)", [_TEXT] * 4)
_RECORD = Statement(
    b"SELECT fraud_state.record($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    [*[_TEXT] * 6, _BINARY, _TEXT, _TEXT],
)


class _Unwritten(Exception):
    """It could not be recorded, as far as is known; the message says why."""


class _Refused(_Unwritten):
    """It would not be taken later either."""


class PostgresState(State):
    """The state on a PostgreSQL."""

    def __init__(
        self,
        url: str,
        *,
        holds_log: bool = False,
        read_s: float | None = None,
        write_s: float | None = None,
    ) -> None:
        """Open the state, or make an empty one.

        Args:
            holds_log: the table `fraud_predictions` of the log is there too, and gets its rows
                together with the answers.
            read_s, write_s: how long a request waits for the database; None: `READ_S`, `WRITE_S`.

        Raises: StateUnavailable: the database is away, or refuses.
        """
        self._address = StateAddress(url)
        self._holds_log = holds_log
        self._sessions = Lender(self._address, patience_s=SESSION_S)
        with self._sessions.lend() as session:
            schema.make(session)
            self._look(session)
        self._connections = Connections(self._address.parameters())
        self._customers, self._terminals = Turns(), Turns()
        read_s = READ_S if read_s is None else read_s
        write_s = WRITE_S if write_s is None else write_s
        self._reading, self._writing = Patience(read_s, SHORT_S), Patience(write_s, SHORT_S)
        self._whole_s = read_s + write_s
        self._note_well()
        self._log_fault: str | None = None  # as it was logged last

    async def once(
        self,
        transaction: Transaction,
        decide: Decide,
        *,
        asks_again: bool = False,
        log_row: LogRow | None = None,
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._whole_s
        try:
            async with self._customers.of(transaction.customer_id, end):
                known = await self._ask(transaction, min(end, self._reading.until(loop.time())))
                if known.answer is not None:
                    return Outcome(known.answer, new=False, recorded=True)
                until = min(end, self._writing.until(loop.time()))
                row = log_row if self._holds_log else None
                return await self._decide(transaction, known, decide, row, until)
        except Late:
            raise self._address.refuse("others of this customer take too long") from None

    @property
    def coverage(self) -> Coverage | None:
        if self._reading.fault is not None:
            raise StateUnavailable(self._reading.fault)
        return self._covered

    @property
    def snapshot(self) -> str | None:
        return self._snapshot

    def is_current(self) -> bool:
        """Whether the state is still where it was; a database that is away is."""
        if self._reading.fault is None and time.monotonic() < self._reading.well_at + LOOK_EVERY_S:
            return True
        try:
            with self._sessions.lend() as session:
                if not schema.is_there(session):
                    return False
                self._look(session)
        except StateUnavailable as error:
            if self._reading.fault is None:
                logger.error("%s", error)
            self._reading.fault = str(error)
        else:
            self._note_well()
        return True

    def label(self, labels: Iterable[Label]) -> int:
        with self._sessions.lend() as session:
            known = write_labels(session, labels)
            self._look(session)
            return known

    def load(self, pointer: Pointer) -> Loaded:
        loaded = load(self._address, pointer)
        with self._sessions.lend() as session:
            self._look(session)
        return loaded

    def close(self) -> None:
        self._sessions.close()
        self._connections.close()

    async def _decide(
        self,
        transaction: Transaction,
        known: Known,
        decide: Decide,
        log_row: LogRow | None,
        until: float,
    ) -> Outcome:
        """Decide, and again for as long as the windows have changed before it was recorded."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            assert known.windows is not None
            answer = decide(read_windows(known.windows, transaction), self._covered)
            try:
                found = await self._record(transaction, known.windows, answer, log_row, until)
            except _Unwritten as error:
                if log_row is not None and isinstance(error, _Refused):
                    self._tell_of_log(str(error))
                    log_row = None  # it may be for the log's table: its row has another way there
                    continue
                if self._writing.fail(str(error), began, loop.time()):
                    logger.warning("it cannot be recorded: %s", error)
                return Outcome(answer, new=True, recorded=False)
            self._writing.succeed(loop.time())
            if found is None or found.answer == answer:  # the latter: by a connection that broke
                return Outcome(answer, new=True, recorded=True, logged=log_row is not None)
            if found.answer is not None:
                return Outcome(found.answer, new=False, recorded=True)
            known = found

    async def _ask(self, transaction: Transaction, until: float) -> Known:
        loop, given = asyncio.get_running_loop(), transaction
        keys = (given.transaction_id, given.customer_id, given.terminal_id, str(given.time))
        began = loop.time()
        try:
            row = await self._connections.row(_ASK, [key.encode() for key in keys], until)
        except (Late, Lost, psycopg.Error, OSError) as error:
            fault = self._explain(error)
            if self._reading.fail(str(fault), began, loop.time()):
                logger.error("%s", fault)
            raise fault from None
        self._note_well()
        since, as_of, labelled_until = map(read_whole, row[6:])
        self._covered = (
            None if as_of is None or since is None else Coverage(since, as_of, labelled_until)
        )
        return read_known(transaction, row)

    async def _record(
        self,
        transaction: Transaction,
        windows: bytes,
        answer: bytes,
        log_row: LogRow | None,
        until: float,
    ) -> Known | None:
        """Record an answer. What was found, if it is known otherwise, or decided on too early.

        Raises: _Unwritten, _Refused
        """
        loop = asyncio.get_running_loop()
        texts = (transaction.transaction_id, *transaction.content)
        row = log_row and log_row()
        try:
            async with self._terminals.of(transaction.terminal_id, until):
                patience_ms = max(1, round((until - loop.time()) * LOCKS_SHARE * 1_000))
                values: Values = [
                    *(str(text).encode() for text in texts),
                    *(windows, answer, row, b"%d" % patience_ms),
                ]
                recorded, *found = await self._connections.row(_RECORD, values, until)
        except (Late, Lost, psycopg.Error, OSError) as error:
            is_refused = (getattr(error, "sqlstate", None) or "")[:2] in _REFUSALS
            kind = _Refused if is_refused else _Unwritten
            raise kind(str(self._explain(error))) from error
        return None if recorded == b"\x01" else read_known(transaction, found)

    def _tell_of_log(self, fault: str) -> None:
        if fault != self._log_fault:
            logger.warning("the log takes no row together with an answer: %s", fault)
        self._log_fault = fault

    def _look(self, session: Session) -> None:
        self._covered, self._snapshot, _ = facts(session)

    def _explain(self, error: Exception) -> StateUnavailable:
        if isinstance(error, Late):
            return self._address.refuse("it does not answer in time")
        return self._address.explain(error)

    def _note_well(self) -> None:
        self._reading.succeed(time.monotonic())  # which is a loop's clock, too
