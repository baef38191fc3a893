"""Turns of one event loop: who works on the same key waits for one another, all others do not."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.fraud.state.in_postgres.exchange import give_up

WAIT_SHARE = 0.6  # of the time that there is, for others: who has none left does not begin


class Turns:
    """One at a time per key, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, key: str, until: float) -> AsyncIterator[None]:
        """The turn of a key, for a block.

        until: when the block has to be done, by the loop's clock.

        Raises: Late: others took longer than leaves time for it.
        """
        others = self._waiting.get(key)
        if others is None:
            self._waiting[key] = deque()
        else:
            await self._wait(others, key, until)
        try:
            yield
        finally:
            self._pass_on(key)

    async def _wait(self, others: deque[asyncio.Future[None]], key: str, until: float) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        others.append(turn)
        now = loop.time()
        timer = loop.call_at(now + WAIT_SHARE * (until - now), give_up, turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on(key)  # it came in the moment in which the wait ended
            raise
        finally:
            timer.cancel()

    def _pass_on(self, key: str) -> None:
        others = self._waiting[key]
        while others:
            turn = others.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[key]
