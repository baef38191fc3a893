"""One statement to a PostgreSQL and its answer, in an event loop, in time.

Statements go to libpq as they are, without its driver's cursors and adapters, which a request would
pay for twice.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

import psycopg
from psycopg import pq

_WHOLE, _TYPE_AND_LENGTH = Struct(">i"), Struct(">Ii")

Values = Sequence[bytes | None]


class Late(Exception):
    """It took longer than there was time."""


class Lost(Exception):
    """The connection broke: what was asked may have been done, or not."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, and which of its values are given as they are, and not as text."""

    text: bytes
    formats: Sequence[pq.Format]


class Connection:
    """One connection, used by one at a time."""

    def __init__(self, driver: "psycopg.AsyncConnection[Any]") -> None:
        self._driver = driver  # it would close the connection once nobody holds it
        self._libpq = driver.pgconn
        self.opened_at = self.used_at = time.monotonic()

    @property
    def is_good(self) -> bool:
        """Whether the next statement may go there."""
        return self._libpq.transaction_status == pq.TransactionStatus.IDLE

    def close(self) -> None:
        """Let go of it, whatever is under way."""
        self._libpq.finish()

    async def row(self, statement: Statement, values: Values, until: float) -> list[bytes | None]:
        """The fields of the one composite value that a statement gives, as PostgreSQL has them.

        It comes whole: to take it apart there, `SELECT * FROM function()`, costs a seventh more.

        until: when there is no time left, by the loop's clock.

        Raises: Late, Lost; psycopg.Error: the server refuses.
        """
        exchange = _Exchange(self._libpq)
        try:
            self._libpq.send_query_params(
                statement.text, values, None, statement.formats, pq.Format.BINARY
            )
            result = await exchange.answer(until)
        except psycopg.OperationalError as error:
            if self.is_good:
                raise
            raise Lost(str(error)) from error
        row = result.get_value(0, 0)
        return [] if row is None else _fields(row)


class _Exchange:
    """What is sent and read until a statement is answered."""

    def __init__(self, libpq: pq.abc.PGconn) -> None:
        self._libpq, self._loop = libpq, asyncio.get_running_loop()
        self._answer: asyncio.Future[pq.abc.PGresult] = self._loop.create_future()
        self._results: list[pq.abc.PGresult] = []

    async def answer(self, until: float) -> pq.abc.PGresult:
        """What was sent is answered with. Raises: Late; psycopg.Error: as sent or lost."""
        socket = self._libpq.socket
        timer = self._loop.call_at(until, give_up, self._answer)
        self._loop.add_reader(socket, self._read)
        try:
            if self._libpq.flush():
                self._loop.add_writer(socket, self._write, socket)
            return await self._answer
        finally:
            timer.cancel()
            self._loop.remove_reader(socket)
            self._loop.remove_writer(socket)

    def _read(self) -> None:
        try:
            self._libpq.consume_input()
            while not self._libpq.is_busy():
                if (result := self._libpq.get_result()) is None:
                    self._settle()
                    return
                self._results.append(result)
        except psycopg.Error as error:
            if not self._answer.done():
                self._answer.set_exception(error)

    def _write(self, socket: int) -> None:
        try:
            if not self._libpq.flush():
                self._loop.remove_writer(socket)
        except psycopg.Error:
            self._loop.remove_writer(socket)  # there is something to read: why

    def _settle(self) -> None:
        if self._answer.done():
            return
        for result in self._results:  # also what goes wrong at the commit, after the row
            if result.status != pq.ExecStatus.TUPLES_OK:
                self._answer.set_exception(psycopg.errors.error_from_result(result, "utf-8"))
                return
        self._answer.set_result(self._results[0])


def _fields(row: bytes) -> list[bytes | None]:
    """The fields of a composite value: their count, and of each its type, length and content."""
    found: list[bytes | None] = []
    place = _WHOLE.size
    for _ in range(_WHOLE.unpack_from(row)[0]):
        _type, size = _TYPE_AND_LENGTH.unpack_from(row, place)
        place += _TYPE_AND_LENGTH.size
        if size < 0:
            found.append(None)
            continue
        found.append(row[place : place + size])
        place += size
    return found


def give_up(waiting: "asyncio.Future[Any]") -> None:
    """There is no time left for what somebody waits for."""
    if not waiting.done():
        waiting.set_exception(Late())
