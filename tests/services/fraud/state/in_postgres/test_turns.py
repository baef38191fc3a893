"""Turns of one event loop, by key."""

import asyncio

import pytest

from services.fraud.state.in_postgres.exchange import Late
from services.fraud.state.in_postgres.turns import Turns


def test_one_at_a_time_in_the_order_in_which_they_came():
    async def run() -> list[str]:
        turns, seen = Turns(), []
        until = asyncio.get_running_loop().time() + 60

        async def work(name: str) -> None:
            async with turns.of("ann", until):
                seen.append(f"{name} begins")
                await asyncio.sleep(0)
                seen.append(f"{name} ends")

        await asyncio.gather(*map(work, "abc"))
        assert not turns._waiting
        return seen

    assert asyncio.run(run()) == [f"{name} {what}" for name in "abc" for what in ("begins", "ends")]


def test_others_wait_for_nobody():
    async def run() -> None:
        turns = Turns()
        until = asyncio.get_running_loop().time() + 60
        async with turns.of("ann", until), turns.of("bob", until):
            pass

    asyncio.run(run())


@pytest.mark.parametrize("ended_by", [Late, asyncio.CancelledError])
def test_who_gives_up_leaves_the_turn_to_the_next(ended_by):
    """Whether time is over, or whoever asked has gone."""

    async def run() -> list[str]:
        turns, seen = Turns(), []
        loop = asyncio.get_running_loop()

        async def work(name: str, until: float) -> None:
            async with turns.of("ann", until):
                seen.append(name)

        async with turns.of("ann", loop.time()):
            soon = loop.time() + (0.001 if ended_by is Late else 60)
            first = asyncio.ensure_future(work("first", soon))
            second = asyncio.ensure_future(work("second", loop.time() + 60))
            await asyncio.sleep(0)
            if ended_by is not Late:
                first.cancel()
            with pytest.raises(ended_by):
                await first
        await second
        assert not turns._waiting
        return seen

    assert asyncio.run(run()) == ["second"]
