"""An hour of mixed load on two replicas with one PostgreSQL, while much happens to them.

    python -m tests.benchmarks.soak [--minutes 60] [--rate 30] [--seed N] [--output FILE]

Two fraud services, each with a home of its own, share a real PostgreSQL. They are asked at a
constant rate, from when a request is due, and where one fails the other one is asked: transactions
of a simulation, some to both replicas at once, some once more long after; features, batches, and
labels that come late. Meanwhile another model is promoted and taken back, each replica is killed,
PostgreSQL is restarted and killed, and a night of reviews is scored into it.

Prints a table by the minute in Markdown, and what does not hold of what should: every request
answered, retries answered with the stored bytes, each answer in the log once, by a model that was
champion then, memory flat, files bounded. Writes var/benchmarks/soak.json, and beside it what the
servers have said, in soak.logs. Exit code 1 if anything
does not hold. Takes the time asked for, and some minutes to begin and to end.
"""

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from tests.benchmarks.comparison import keep
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.soak import checks
from tests.benchmarks.soak.clients import Clients
from tests.benchmarks.soak.events import SOURCE, Happened, Operator, play
from tests.benchmarks.soak.prepare import STREAM
from tests.benchmarks.soak.records import Logged, Outcome
from tests.benchmarks.soak.samples import Sampler, file_sizes
from tests.benchmarks.soak.stack import ROOT, SETTINGS, Postgres
from tests.benchmarks.soak.stream import Stream
from tests.benchmarks.soak.table import by_minute, render
from tests.services.fraud.replica import Replica
from tests.services.fraud.running import environment_of

SAMPLES_A_MINUTE = 6
NO_TABLE = "42P01"  # a state of PostgreSQL
DRAIN_S = 60.0  # for the log to take what waits in files


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=30.0, help="requests a second, in total")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/soak.json"))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch, ExitStack() as stack:
        soak = Soak(Path(scratch), stack, given.minutes, given.rate, given.seed)
        try:
            soak.run()
        finally:
            keep_logs(Path(scratch), given.output.with_suffix(".logs"))
        samples = soak.sampler.samples
        minutes = by_minute(soak.clients.outcomes, samples, soak.happened, soak.began_s)
        sys.stdout.write(render(minutes))
        document: dict[str, Any] = {
            "machine": describe_machine(),
            **{name: getattr(given, name) for name in ("minutes", "rate", "seed")},
            "events": [asdict(event) for event in soak.happened],
            "by_minute": [minute.as_entries() for minute in minutes],
            "thirds": checks.thirds(samples, lambda each: each.memory),
        }
        keep(document, given.output)
        faults, excused = soak.faults(), len(soak.excused())
        keep({**document, "faults": faults, "excused": excused}, given.output)
        sys.stdout.write(told(faults, excused))
    return 1 if any(faults.values()) else 0


class Soak:
    """One soak in a folder: its stack, its clients, and what came of it."""

    def __init__(
        self, folder: Path, stack: ExitStack, minutes: float, rate: float, seed: int
    ) -> None:
        self._seconds, self._rate = 60 * minutes, rate
        self.postgres = Postgres(folder / "data", stack)
        names = ("TRIPTYCH_DATABASE_URL", "TRIPTYCH_FRAUD_STATE_URL")
        settings = {**SETTINGS, **dict.fromkeys(names, self.postgres.url)}
        homes = [folder / name for name in ("home-1", "home-2", "operator")]
        operator = homes[-1]
        tags = prepare(operator, round(self._seconds * rate), seed)
        share_models(operator, settings)
        self.replicas = [Replica(home, **settings) for home in homes[:2]]
        for replica in self.replicas:
            stack.callback(replica.stop)
            replica.start()
            replica.await_ready()
        stream = Stream(pd.read_parquet(operator / STREAM), seed)
        self.clients = Clients([replica.url for replica in self.replicas], stream)
        self.sampler = Sampler(self.replicas, self.postgres, homes[:2], 60 / SAMPLES_A_MINUTE)
        self.operator = Operator(operator, settings, tags, self.replicas, self.postgres, minutes)
        self.happened: list[Happened] = []
        self.began_s = 0.0

    def run(self) -> None:
        """The load and the events beside it; then wait for the log, and end the replicas."""
        self.began_s = time.time()
        with self.sampler:
            asyncio.run(self._load())
            self._drain()
        for replica in self.replicas:
            replica.stop()

    async def _load(self) -> None:
        load = self.clients.run(self._rate, self._seconds)
        await asyncio.gather(load, play(self.operator.events(), self._seconds, self.happened))

    def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            if not any(file_sizes(replica.home)["spill"] for replica in self.replicas):
                return
            time.sleep(1)

    def faults(self) -> dict[str, list[str]]:
        """What does not hold, by what should."""
        outcomes, rows = self.clients.outcomes, self._logged()
        sure = self._sure(outcomes)
        samples = [*self.sampler.samples, self.sampler.take()]
        reviews = [f"r{number}" for number in range(self.operator.reviews)]
        night = self._ids("review_id", f"review_sentiment WHERE source = '{SOURCE}'")
        return {
            "events happened": [
                f"{event.name}: {event.fault}" for event in self.happened if event.fault
            ],
            "every request is answered": checks.unanswered(outcomes),
            "retries get the stored bytes": checks.changed(outcomes),
            "each answer is logged": checks.not_logged(sure, rows),
            "no answer is logged twice": checks.logged_twice(rows),
            "labels are logged": self._labels(sure),
            "batches are logged": self._batches(sure),
            "the night is whole": checks.missing("reviews", reviews, night),
            "answers name the champion": checks.wrong_model(rows, self.operator.reigns),
            "memory and open files are flat": checks.grown(samples),
            "files are bounded": checks.unbounded(samples),
        }

    def excused(self) -> list[Outcome]:
        """Answers whose rows need not be in the log, as their replica was killed."""
        return checks.died_with(self.clients.outcomes, self.operator.kills)

    def _sure(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        excused = {id(outcome) for outcome in self.excused()}
        return [outcome for outcome in outcomes if id(outcome) not in excused]

    def _logged(self) -> list[Logged]:
        query = (
            "SELECT request_id, transaction_id, model, extract(epoch FROM answered_at)::float8,"
            " degraded FROM fraud_predictions"
        )
        return [Logged(*row) for row in self.postgres.rows(query)]

    def _labels(self, outcomes: Sequence[Outcome]) -> list[str]:
        given = [key for each in outcomes if each.answer for key in each.request.labels]
        return checks.missing("labels", given, self._ids("transaction_id", "fraud_labels"))

    def _batches(self, outcomes: Sequence[Outcome]) -> list[str]:
        answers = [each.answer for each in outcomes if each.request.kind == "batch"]
        heard = [answer.request_id for answer in answers if answer]
        return checks.missing("batches", heard, self._ids("request_id", "fraud_batches"))

    def _ids(self, column: str, table: str) -> list[str]:
        """Those of a table; none where nothing has made it."""
        try:
            return [row[0] for row in self.postgres.rows(f"SELECT {column} FROM {table}")]
        except sa.exc.ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) == NO_TABLE:
                return []
            raise


def prepare(home: Path, requests: int, seed: int) -> list[str]:
    """Two models and a history in a home; the tags, the first of which is champion."""
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.benchmarks.soak.prepare", str(home), str(requests)]
    done = subprocess.run(
        [*command, "--seed", str(seed)],
        cwd=ROOT,
        env=environment_of(home, **SETTINGS),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    tags: list[str] = json.loads(done.stdout.splitlines()[-1])
    return tags


def share_models(home: Path, settings: dict[str, str]) -> None:
    """Copy a home's models, their roles and its history to where replicas share them."""
    command = [sys.executable, "-m", "flows.manage_models", "--share"]
    with (home / "share.log").open("wb") as log:
        subprocess.run(
            command, cwd=ROOT, env=environment_of(home, **settings), check=True, stdout=log
        )


def keep_logs(folder: Path, place: Path) -> None:
    """Copy what servers and commands have said, one file for each."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for log in (*folder.glob("*/*.log"), folder / "data" / "log"):
        if log.is_file():
            shutil.copyfile(log, place / f"{log.parent.name}-{log.name}")


def told(faults: dict[str, list[str]], excused: int) -> str:
    """Each check in a line, and its faults below it.

    excused: answers that were not looked for in the log.
    """
    lines = [""]
    for name, found in faults.items():
        lines.append(f"- {name}: {'**no**' if found else 'yes'}")
        lines += [f"  - {fault}" for fault in found]
    lines.append(f"- not looked for in the log, of the second before a kill: {excused}")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
