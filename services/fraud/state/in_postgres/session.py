"""A connection for a thread that is no event loop's: each statement ends in time."""

import selectors
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from services.fraud.errors import StateUnavailable
from services.fraud.state.in_postgres.address import StateAddress
from services.storage.hanging import Cut

PATIENCE_S = 30.0  # with a statement, where no request waits


class Session:
    """One connection, in autocommit: every statement is a transaction of its own."""

    def __init__(self, address: StateAddress, *, patience_s: float = PATIENCE_S) -> None:
        """Connect. Args: patience_s: with a statement.

        Raises: StateUnavailable: the database is away, or refuses.
        """
        self._address, self._patience_s = address, patience_s
        try:
            self._connection = psycopg.connect(
                autocommit=True, prepare_threshold=None, **address.parameters()
            )
        except (psycopg.Error, OSError) as error:
            raise address.explain(error) from error

    def is_silent(self) -> bool:
        """Whether nothing has come that was not asked for, as the end of the connection would."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.fileno(), selectors.EVENT_READ)
            return not selector.select(0)

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The first row that a statement gives. Raises: StateUnavailable: it fails, or hangs."""
        [first, *_] = self.rows(query, values)
        return first

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows that a statement gives. Raises: as `row`."""
        with self._in_time(self._patience_s):
            return self._connection.execute(query, values).fetchall()

    def run(self, query: str, values: Sequence[Any] | None = None) -> int:
        """Run a statement; how many rows it changed. Raises: as `row`."""
        with self._in_time(self._patience_s):
            return self._connection.execute(query, values).rowcount

    @contextmanager
    def transaction(self, patience_s: float) -> Iterator[None]:
        """One transaction around several statements, which lasts that long at most."""
        with self._in_time(patience_s), self._connection.transaction():
            yield

    def copy(self, statement: str, records: Iterable[Sequence[Any]]) -> None:
        """Stream rows into a table, by COPY, within a transaction."""
        with self._connection.cursor().copy(statement) as rows:
            for record in records:
                rows.write_row(record)

    def refuse(self, reason: str) -> StateUnavailable:
        """The error of this state for a reason."""
        return self._address.refuse(reason)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _in_time(self, patience_s: float) -> Iterator[None]:
        """Cuts the connection where a server hangs: the driver itself would wait for ever."""
        cut = Cut(self._connection.fileno(), patience_s)
        try:
            yield
        except psycopg.Error as error:
            if cut.is_done:
                raise self.refuse(f"it does not answer within {patience_s:g} s") from error
            raise self._address.explain(error) from error
        finally:
            cut.call_off()


class Lender:
    """Lends sessions to threads, and keeps one for the next."""

    def __init__(self, address: StateAddress, *, patience_s: float) -> None:
        """patience_s: with a statement."""
        self._address, self._patience_s = address, patience_s
        self._lock = threading.Lock()
        self._kept: Session | None = None
        self._is_closed = False

    @contextmanager
    def lend(self) -> Iterator[Session]:
        """A session, for a block. Raises: StateUnavailable: the database is away, or refuses."""
        with self._lock:
            session, self._kept = self._kept, None
        if session is not None and not session.is_silent():
            session.close()
            session = None
        session = session or Session(self._address, patience_s=self._patience_s)
        try:
            yield session
        except BaseException:
            session.close()
            raise
        with self._lock:
            if self._kept is None and not self._is_closed:
                self._kept, session = session, None
        if session is not None:
            session.close()

    def close(self) -> None:
        """Close what is not lent, and what is given back from now on."""
        with self._lock:
            session, self._kept, self._is_closed = self._kept, None, True
        if session is not None:
            session.close()
