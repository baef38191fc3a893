"""Connections of one event loop: opened when all others are in use, and kept for the next one.

One on which a statement was lost, or took too long, is thrown away.
"""

import asyncio
import time
from collections import deque
from typing import Any

import psycopg

from services.fraud.state.in_postgres.exchange import Connection, Lost, Statement, Values, give_up

MOST = 8
IDLE_S = 60.0  # without use, until a connection is closed
LIFETIME_S = 1_800.0  # so that what the server keeps for each does not grow for ever
_READ_ONLY = "25006"
_ENDED = {"57P01", "57P02", "57P03", "57P05"}  # the server ends the connection


class Connections:
    """Connections of one event loop."""

    def __init__(self, parameters: dict[str, Any], *, most: int = MOST) -> None:
        """parameters: what psycopg connects by."""
        self._parameters, self._most = parameters, most
        self._idle: deque[Connection] = deque()  # the one used last is at the right
        self._count = 0  # that are open, or being opened
        self._waiting: deque[asyncio.Future[Connection]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def row(self, statement: Statement, values: Values, until: float) -> list[bytes | None]:
        """The first row that a statement gives; see `Connection.row`.

        A statement on a connection that breaks is repeated once: it has to be one that may be.

        Raises: Late, Lost; psycopg.Error: the server refuses, or cannot be connected to.
        """
        try:
            return await self._row(statement, values, until)
        except Lost:
            while self._idle:  # as old as that one: they have broken too
                self._close(self._idle.pop())
            return await self._row(statement, values, until)

    def close(self) -> None:
        """Close what is open and not in use; what is, is closed when it is given back."""
        self._is_closed = True
        while self._idle:
            self._close(self._idle.pop())

    async def _row(self, statement: Statement, values: Values, until: float) -> list[bytes | None]:
        connection = await self._take(until)
        is_good = False
        try:
            found = await connection.row(statement, values, until)
            is_good = True
            return found
        except psycopg.Error as error:
            # A server that has become one that is only read from will not change its mind.
            is_good = connection.is_good and error.sqlstate != _READ_ONLY
            if error.sqlstate in _ENDED:
                is_good = False
                raise Lost(str(error)) from error
            raise
        finally:
            self._give(connection, is_good=is_good)

    async def _take(self, until: float) -> Connection:
        if self._idle:
            return self._idle.pop()
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Connection] = loop.create_future()
        self._waiting.append(found)
        self._open_more()
        timer = loop.call_at(until, give_up, found)
        try:
            return await found
        except asyncio.CancelledError:
            if found.done() and not found.cancelled() and found.exception() is None:
                self._give(found.result(), is_good=True)
            raise
        finally:
            timer.cancel()

    def _give(self, connection: Connection, *, is_good: bool) -> None:
        now = time.monotonic()
        if not is_good or now > connection.opened_at + LIFETIME_S:
            self._close(connection)
            self._open_more()
            return
        connection.used_at = now
        self._hand(connection)
        if self._idle and now > self._idle[0].used_at + IDLE_S:
            self._close(self._idle.popleft())

    def _hand(self, connection: Connection) -> None:
        if self._is_closed:
            self._close(connection)
            return
        while self._waiting:
            found = self._waiting.popleft()
            if not found.done():
                found.set_result(connection)
                return
        self._idle.append(connection)

    def _open_more(self) -> None:
        """Open one for somebody who waits, if there may be one more."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if self._waiting and len(self._opening) < len(self._waiting) and self._count < self._most:
            self._count += 1
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        try:
            driver = await psycopg.AsyncConnection.connect(autocommit=True, **self._parameters)
        except (psycopg.Error, OSError) as error:
            self._count -= 1
            if not self._count:  # nobody will give one back
                while self._waiting:
                    found = self._waiting.popleft()
                    if not found.done():
                        found.set_exception(error)
        except BaseException:
            self._count -= 1
            raise
        else:
            self._hand(Connection(driver))

    def _close(self, connection: Connection) -> None:
        self._count -= 1
        connection.close()
