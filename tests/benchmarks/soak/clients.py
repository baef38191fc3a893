"""The clients of a soak: each request at its time, and at the other replica where one fails.

Times are measured from when a request was due, not from when it was sent: a service that stalls
is not spared by a client that waits for it.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence

import aiohttp

from tests.benchmarks.soak.records import Answer, Outcome, Request
from tests.benchmarks.soak.stream import Stream

ATTEMPT_S = 2.0  # then the other replica is asked, and both may answer
PATIENCE_S = 120.0  # for an answer, with all attempts
PAUSES_S = (0.0, 0.1, 0.25, 0.5, 1.0)  # before the next attempt; then the last again and again
HEADERS = {"Content-Type": "application/json"}


class Clients:
    """Asks replicas in turns, and keeps what came of it."""

    def __init__(self, urls: Sequence[str], stream: Stream) -> None:
        self.outcomes: list[Outcome] = []
        self._urls, self._stream = urls, stream
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, seconds: float) -> None:
        """Ask so many times a second, until the time is up; then wait for the last answers."""
        timeout = aiohttp.ClientTimeout(total=ATTEMPT_S)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            began, number = time.time(), 0
            while (due := began + number / rate) < began + seconds:
                if (pause := due - time.time()) > 0:
                    await asyncio.sleep(pause)
                self._start(session, self._stream.next(due), due, number)
                number += 1
            while self._tasks:
                await asyncio.wait(self._tasks)

    def _start(
        self, session: aiohttp.ClientSession, request: Request, due: float, number: int
    ) -> None:
        """Send it, a twin to two replicas at once."""
        for replica in range(2 if request.kind == "twin" else 1):
            outcome = Outcome(request, due)
            self.outcomes.append(outcome)
            task = asyncio.create_task(self._ask(session, outcome, number + replica))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, session: aiohttp.ClientSession, outcome: Outcome, first: int) -> None:
        attempt = 0
        while outcome.answer is None and time.time() < outcome.scheduled_s + PATIENCE_S:
            replica = (first + attempt) % len(self._urls)
            fault = await self._try(session, outcome, replica)
            if fault is None:
                self._stream.answered(outcome)
                return
            outcome.failures.append((time.time(), fault))
            if fault.startswith("4"):  # the same again would get the same
                return
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1

    async def _try(
        self, session: aiohttp.ClientSession, outcome: Outcome, replica: int
    ) -> str | None:
        """Ask once; what went wrong, as a status with its code or the kind of error."""
        request = outcome.request
        try:
            url = f"{self._urls[replica]}{request.path}"
            async with session.post(url, data=request.body, headers=HEADERS) as response:
                body = await response.read()
        except TimeoutError:
            return "timeout"
        except aiohttp.ClientError:
            return "no connection"
        if response.status != 200:
            return f"{response.status} {_code(body)}"
        outcome.answered_s = time.time()
        outcome.answer = read_answer(body, replica)
        return None


def read_answer(body: bytes, replica: int) -> Answer:
    """What an answer of any path says."""
    said = json.loads(body)
    return Answer(
        said["request_id"],
        said.get("model"),
        hashlib.sha256(body).digest(),
        tuple(said.get("degraded", ())),
        replica,
    )


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, LookupError, TypeError):
        return "of another shape"
