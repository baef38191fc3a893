"""Kills replicas of the fraud service, again and again, while a stream is sent to all of them.

    python -m tests.benchmarks.replicas [--transactions N] [--customers N] [--kills N] [--seed N]

Two services with homes of their own share one PostgreSQL. A random stream goes to both at random,
in order within each customer, and either one is killed with SIGKILL at random moments and started
again. In the end every transaction has to have one answer, the file's to the last bit, and one row
in the log, with the file's features. Run by name: some minutes. Exit code 1 if anything is wrong.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pydantic import SecretStr
from rich.console import Console

from services.fraud.scoring.models import Models
from tests.benchmarks.bench_fraud import train
from tests.benchmarks.postgres import postgres
from tests.services.fraud.replica import Replica
from tests.services.fraud.replicated import Sent, faults, replicas, send
from tests.services.fraud.streams import stream, transactions

SHOWN = 10
console = Console(highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--transactions", type=int, default=20_000)
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url", help="of an empty PostgreSQL; default: one of its own")
    given = parser.parse_args()
    keys = (given.customers, given.customers)
    table = stream(given.transactions, days=60, seed=given.seed, keys=keys).assign(is_fraud=False)
    with tempfile.TemporaryDirectory() as scratch, postgres(given.url) as url:
        folder = Path(scratch)
        model = train(folder / "trainer")
        Models(folder / "trainer", SecretStr(url)).share()
        sent, began = Sent(), time.monotonic()
        with replicas(folder, url) as running:
            rows = list(transactions(table))
            draw = random.Random(given.seed)
            done = asyncio.run(_both(rows, running, draw, sent, given.kills))
        took_s = time.monotonic() - began
        found = faults(table, sent, model, folder, url)
    show(sent, done, took_s)
    for fault in found[:SHOWN]:
        console.print(fault)
    console.print(f"{len(found)} faults")
    sys.exit(bool(found))


async def _both(rows, running: list[Replica], draw: random.Random, sent: Sent, kills: int) -> int:
    """Send all rows, and kill meanwhile; how many times that was done."""
    moments = sorted(draw.randrange(1, len(rows)) for _ in range(kills))

    def kill() -> int:
        done = 0
        for moment in moments:
            while len(sent.answers) < moment:
                time.sleep(0.001)
            time.sleep(draw.random() * 0.05)  # anywhere in a request
            replica = draw.choice(running)
            replica.await_ready()  # one that is still starting serves nobody
            replica.kill()
            replica.start()
            done += 1
        return done

    killing = asyncio.create_task(asyncio.to_thread(kill))
    await send(rows, running, random.Random(draw.random()), sent)
    return await killing


def show(sent: Sent, kills: int, took_s: float) -> None:
    """What happened, in figures."""
    p50, p99 = np.percentile(sent.took_ms, [50, 99])
    failures = ", ".join(f"{count} {why}" for why, count in sent.failures.most_common()) or "none"
    console.print(
        f"{len(sent.answers):,} transactions answered in {took_s:.0f} s, {kills} kills; requests"
        f" that failed and were sent again: {failures}; unrecorded answers: {sent.unrecorded};"
        f" answers: p50 {p50:.1f} ms, p99 {p99:.1f} ms as the client saw them"
    )


if __name__ == "__main__":
    main()
