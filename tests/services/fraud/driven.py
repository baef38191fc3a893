"""States as tests drive them: asked without a loop of their own, and looked into."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from services.fraud.state.completeness import Coverage
from services.fraud.state.in_file.file_state import FileState
from services.fraud.state.in_file.history import prune as prune_file
from services.fraud.state.in_file.window_counts import count_windows
from services.fraud.state.in_postgres.address import StateAddress
from services.fraud.state.in_postgres.found import read_windows
from services.fraud.state.in_postgres.history import prune as prune_postgres
from services.fraud.state.in_postgres.postgres_state import PostgresState
from services.fraud.state.in_postgres.session import Session
from services.fraud.state.state import NEW, Outcome, State, Transaction
from services.fraud.transactions.features import Windows

T = TypeVar("T")
PATIENT_S = 30.0  # where a busy machine is no part of what is tested


class Driven:
    """A state that a test asks without a loop of its own, and looks into; all else is its own."""

    def __init__(self, state: State) -> None:
        self._state = state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def once(
        self,
        transaction: Transaction,
        decide: Callable[[Windows], bytes],
        *,
        asks_again: bool = False,
    ) -> Outcome:
        """`State.once`, of decisions that do not ask what the history covers."""

        def told(windows: Windows, _covered: Coverage | None) -> bytes:
            return decide(windows)

        return self.run(self._state.once(transaction, told, asks_again=asks_again))

    def run(self, answering: Coroutine[Any, Any, T]) -> T:
        """What a coroutine of the state returns."""
        raise NotImplementedError

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """What the tables of the state hold, which have the same names and columns everywhere."""
        raise NotImplementedError

    def windows_of(self, transaction: Transaction) -> Windows:
        """The windows of a transaction, itself included, recorded or not."""
        raise NotImplementedError

    def prune(self, before: int) -> int:
        """Remove the transactions older than a time, as a load does; how many there were."""
        raise NotImplementedError

    def count_rows(self) -> int:
        """How many transactions it holds."""
        [(count,)] = self.query("SELECT count(*) FROM transactions")
        return int(count)

    def frauds(self) -> set[str]:
        """The transactions that are known as frauds."""
        found = self.query("SELECT transaction_id FROM transactions WHERE is_fraud = 1")
        return {key for (key,) in found}

    def waiting(self) -> list[str]:
        """The transactions whose label came before them."""
        return [key for (key,) in self.query("SELECT transaction_id FROM early_labels")]


class InFile(Driven):
    """The state in a file."""

    _state: FileState

    def __init__(self, path: Path, **options: float) -> None:
        super().__init__(FileState(path, **options))

    def run(self, answering: Coroutine[Any, Any, T]) -> T:
        try:
            answering.send(None)
        except StopIteration as end:
            outcome: T = end.value
            return outcome
        raise AssertionError("it has suspended")

    def query(self, query: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._state._execute(query).fetchall()
        return found

    def windows_of(self, transaction: Transaction) -> Windows:
        place, _ = self._state._find(transaction)
        return count_windows(self._state._execute, transaction, place)

    def prune(self, before: int) -> int:
        with self._state._apart() as file:
            return prune_file(file, before)


class InPostgres(Driven):
    """The state on a PostgreSQL."""

    _state: PostgresState

    def __init__(self, url: str) -> None:
        super().__init__(PostgresState(url, read_s=PATIENT_S, write_s=PATIENT_S))
        self._runner, self._session = asyncio.Runner(), Session(StateAddress(url))
        self._session.run("SET search_path = fraud_state")

    @property
    def coverage(self) -> Coverage | None:
        """What it finds when it looks, which it does now and then."""
        self._state._reading.well_at = -math.inf
        assert self._state.is_current()
        return self._state.coverage

    def run(self, answering: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(answering)

    def query(self, query: str) -> list[tuple[Any, ...]]:
        return self._session.rows(query)

    def windows_of(self, transaction: Transaction) -> Windows:
        known = 'SELECT seq, customer_id, terminal_id, cents, "time" FROM transactions'
        own = (transaction.transaction_id,)
        found = self._session.rows(f"{known} WHERE transaction_id = %s", own)
        for _, *content in found:
            transaction.check(tuple(content))
        keys = (transaction.customer_id, transaction.terminal_id, transaction.time)
        place = found[0][0] if found else NEW
        told = self._session.row("SELECT windows(%s, %s, %s, %s)", (*keys, place))[0]
        return read_windows(told.encode(), transaction)

    def prune(self, before: int) -> int:
        return prune_postgres(self._session, before)

    def close(self) -> None:
        self._session.close()
        self._state.close()
        self._runner.close()


class Place(Protocol):
    """Where a state lies."""

    def open(self) -> Driven:
        """The state, or an empty one."""

    def clear(self) -> None:
        """Remove it, once it is closed."""


@dataclass(frozen=True)
class FilePlace:
    """A file."""

    path: Path

    def open(self) -> Driven:
        return InFile(self.path, patience_s=PATIENT_S)

    def clear(self) -> None:
        for file in self.path.parent.glob(f"{self.path.name}*"):
            file.unlink()


@dataclass(frozen=True)
class PostgresPlace:
    """A database of a PostgreSQL."""

    url: str

    def open(self) -> InPostgres:
        return InPostgres(self.url)

    def clear(self) -> None:
        with closing(Session(StateAddress(self.url))) as session:
            session.run("DROP SCHEMA IF EXISTS fraud_state CASCADE")
