"""What happens during a soak, and when: model swaps, kills, restarts, and a night beside.

Instants are shares of the length, so that a short soak has the same events as an hour.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.bench_memory import write_reviews
from tests.benchmarks.soak.records import Kill, Reign
from tests.benchmarks.soak.stack import ROOT, Postgres
from tests.services.fraud.replica import Replica
from tests.services.fraud.running import environment_of

SWAP_S = 10.0  # for all replicas to take up a champion
DOWN_S = 5.0  # that something stays away
COMMAND_S = 300.0
REVIEWS_A_MINUTE = 300  # of the night, by the soak's minutes
SOURCE = "soak"


@dataclass(frozen=True)
class Event:
    """share: when, of the soak's length."""

    share: float
    name: str
    run: Callable[[], None]


@dataclass
class Happened:
    """An event that was; fault: why it did not do what it should."""

    name: str
    since_s: float
    until_s: float = 0.0
    fault: str | None = None


class Operator:
    """Does to a stack what operators and machines do to it."""

    def __init__(
        self,
        home: Path,
        settings: dict[str, str],
        tags: Sequence[str],
        replicas: Sequence[Replica],
        postgres: Postgres,
        minutes: float,
    ) -> None:
        """home: of a third machine, from which models are promoted and nights are run."""
        self._home, self._settings, self._tags = home, settings, tags
        self._replicas, self._postgres = replicas, postgres
        self.reviews = max(200, round(REVIEWS_A_MINUTE * minutes))
        self.kills: list[Kill] = []
        self.reigns = [Reign(tags[0], 0.0, float("inf"))]

    def events(self) -> tuple[Event, ...]:
        """All that happens, in order of time. The second replica lives from beginning to end, so
        that its memory can be judged over all of it; the last fifth is quiet."""
        return (
            Event(0.10, "promote", lambda: self._reign(self._tags[1], "--promote", self._tags[1])),
            Event(0.20, "roll back", lambda: self._reign(self._tags[0], "--rollback")),
            Event(0.30, "a night begins", self._night),
            Event(0.45, "kill replica 1", lambda: self._kill(self._replicas[0])),
            Event(0.60, "restart PostgreSQL", self._restart),
            Event(0.75, "kill PostgreSQL", self._crash),
        )

    def _reign(self, tag: str, *arguments: str) -> None:
        began = time.time()
        self._flow("manage_models", *arguments)
        before = self.reigns.pop()
        self.reigns.append(Reign(before.model, before.since_s, time.time() + SWAP_S))
        self.reigns.append(Reign(tag, began, float("inf")))

    def _night(self) -> None:
        source = self._home / "reviews.csv"
        write_reviews(source, self.reviews)
        arguments = ("--source", str(source), "--text-column", "review", "--id-column", "id")
        options = ("--source-name", SOURCE, "--precision", "float32", "--rows-per-part", "200")
        self._flow("score_sentiment", *arguments, *options, limit_s=3_600.0)

    def _kill(self, replica: Replica) -> None:
        self.kills.append(Kill(self._replicas.index(replica), time.time()))
        replica.kill()
        time.sleep(DOWN_S)
        replica.start()
        replica.await_ready()

    def _restart(self) -> None:
        self._postgres.stop()
        time.sleep(DOWN_S)
        self._postgres.start()

    def _crash(self) -> None:
        self._postgres.kill()
        time.sleep(DOWN_S)
        self._postgres.start()

    def _flow(self, name: str, *arguments: str, limit_s: float = COMMAND_S) -> None:
        """Run a flow's command.

        Raises: RuntimeError: it failed; with its last line.
        """
        command = [sys.executable, "-m", f"flows.{name}", *arguments]
        env = environment_of(self._home, **self._settings, OMP_NUM_THREADS="1")
        log = self._home / f"{name}.log"
        with log.open("ab") as output:
            done = subprocess.run(
                command, cwd=ROOT, env=env, stdout=output, stderr=output, timeout=limit_s
            )
        if done.returncode:
            lines = log.read_text("utf-8", errors="replace").strip().splitlines()
            raise RuntimeError(f"{name} ended with {done.returncode}: {(lines or ['nothing'])[-1]}")


async def play(events: Sequence[Event], seconds: float, happened: list[Happened]) -> None:
    """Let each event happen at its time, beside the load; what goes wrong is noted."""
    began = time.monotonic()

    async def happen(event: Event) -> None:
        await asyncio.sleep(max(0.0, event.share * seconds - (time.monotonic() - began)))
        note = Happened(event.name, time.time())
        happened.append(note)
        try:
            await asyncio.to_thread(event.run)
        except Exception as error:  # of any kind: the soak goes on, and tells of it
            note.fault = f"{type(error).__name__}: {error}"
        note.until_s = time.time()

    await asyncio.gather(*(happen(event) for event in events))
