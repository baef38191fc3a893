"""Clients that ask a service all the time while something happens to it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import cycle

import httpx

from tests.services.fraud.running import GENUINE


class Load:
    """Requests without a pause from several connections until told to stop."""

    def __init__(self, url: str, connections: int, *others: str) -> None:
        """others: addresses that each connection asks in turn with the first."""
        self._urls, self._connections = (url, *others), connections
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.models: list[str] = []
        self.stop = False

    async def _one(self) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            for url in cycle(self._urls):
                if self.stop:
                    return
                try:
                    answer = await client.post(
                        f"{url}/detect_fraud", json={"transaction_data": GENUINE}
                    )
                except httpx.HTTPError as error:
                    self.errors[type(error).__name__] += 1
                    continue
                self.statuses[answer.status_code] += 1
                if answer.is_success:
                    self.models.append(answer.json()["model"])

    async def during(self, story: Callable[[], object]) -> None:
        """Ask all the time while a function runs in a thread."""
        askers = [asyncio.create_task(self._one()) for _ in range(self._connections)]
        try:
            await asyncio.to_thread(story)
        finally:
            self.stop = True
            await asyncio.gather(*askers)
