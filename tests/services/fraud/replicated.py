"""Two replicas on one PostgreSQL, a stream sent to both at random, and what becomes of it."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import sqlalchemy as sa

from services.fraud.log.tables import FEATURE_COLUMNS
from services.fraud.scoring.scorer import FraudScorer
from services.fraud.state.completeness import NOT_RECORDED
from services.fraud.state.state import Transaction
from services.fraud.transactions.features import DAY_S, Windows, assemble
from tests.services.fraud.driven import PATIENT_S, InFile
from tests.services.fraud.replica import Replica
from tests.services.fraud.streams import transactions

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 16  # requests
PATIENCE_S = 120.0  # of a caller, who asks again and again
REQUEST_S = 5.0


@contextmanager
def replicas(folder: Path, database_url: str, count: int = 2) -> Iterator[list[Replica]]:
    """Some replicas with homes of their own, ready. database_url: of their state, models, log."""
    names = ("TRIPTYCH_FRAUD_STATE_URL", "TRIPTYCH_DATABASE_URL")
    settings = dict.fromkeys(names, database_url)
    running = [Replica(folder / f"replica-{number}", **settings) for number in range(count)]
    try:
        for replica in running:
            replica.start()
        for replica in running:
            replica.await_ready()
        yield running
    finally:
        for replica in running:
            replica.stop()


@dataclass
class Sent:
    """What came of a stream.

    Attributes:
        answers: by transaction_id, the first that was recorded.
        failures: requests that got no answer, by why; each was sent again.
        unrecorded: answers that said so; their transactions were sent again.
        took_ms: of requests that were answered.
    """

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    unrecorded: int = 0
    took_ms: list[float] = field(default_factory=list)


async def send(
    rows: Sequence[Transaction], running: Sequence[Replica], draw: random.Random, sent: Sent
) -> None:
    """Send each row to a replica at random, and again until its answer is recorded.

    Rows of a customer come one after another, others side by side; days come one after another,
    for a terminal's windows lag a week: within one, no order of the rows shows in them.
    """
    turns = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=REQUEST_S) as client:

        async def send_all(of_customer: Sequence[Transaction]) -> None:
            for row in of_customer:
                async with turns:
                    answer = await _answer(client, row, running, draw, sent)
                sent.answers[row.transaction_id] = answer

        for _, of_day in itertools.groupby(rows, key=lambda row: row.time // DAY_S):
            by_customer: dict[str, list[Transaction]] = {}
            for row in of_day:
                by_customer.setdefault(row.customer_id, []).append(row)
            await asyncio.gather(*map(send_all, by_customer.values()))


async def _answer(
    client: httpx.AsyncClient,
    row: Transaction,
    running: Sequence[Replica],
    draw: random.Random,
    sent: Sent,
) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        began = time.perf_counter()
        try:
            answer = await client.post(
                f"{draw.choice(running).url}/score_transaction", json=as_sent(row)
            )
        except httpx.HTTPError as error:
            sent.failures[type(error).__name__] += 1
        else:
            if answer.status_code == httpx.codes.OK:
                sent.took_ms.append((time.perf_counter() - began) * 1e3)
                found: dict[str, Any] = answer.json()
                if NOT_RECORDED not in found["degraded"]:
                    return found
                sent.unrecorded += 1
                continue
            sent.failures[str(answer.status_code)] += 1
        await asyncio.sleep(0.02)
    raise AssertionError(f"{row.transaction_id} got no answer in {PATIENCE_S:g} s")


def as_sent(row: Transaction) -> dict[str, Any]:
    """A transaction as a till sends it."""
    return {
        "transaction_id": row.transaction_id,
        "customer_id": row.customer_id,
        "terminal_id": row.terminal_id,
        "amount": row.cents / 100,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.time)),
    }


def faults(table: "pd.DataFrame", sent: Sent, model: Path, folder: Path, url: str) -> list[str]:
    """What is wrong with the answers, the log and the state; nothing, as it should be.

    Each transaction has one answer, the file's to the last bit, and one row in the log with the
    file's features.
    """
    found: list[str] = []
    expected = _expected(table, model, folder)
    logged = _logged(url)
    for key, (features, probability) in expected.items():
        answer = sent.answers.get(key)
        if answer is None or answer["probability"] != probability:
            found.append(f"{key}: answered {answer}, expected {probability}")
        rows = logged.pop(key, [])
        if [(row[0], row[1]) for row in rows] != [(answer and answer["request_id"], features)]:
            found.append(f"{key}: {len(rows)} rows in the log, or of other features")
    found += [f"{key}: logged, and never sent" for key in logged]
    [(held,)] = _query(url, "SELECT count(*) FROM fraud_state.transactions")
    if held != len(table):
        found.append(f"the state holds {held} transactions, and {len(table)} were sent")
    return found


def _expected(
    table: "pd.DataFrame", model: Path, folder: Path
) -> dict[str, tuple[list[float], float]]:
    """Features and probability of each row, as the state in a file has them."""
    scorer, found = FraudScorer(model, "expected"), {}
    with closing(InFile(folder / "expected.db", patience_s=PATIENT_S)) as state:
        for row in transactions(table):
            seen: list[Windows] = []

            def decide(windows: Windows, seen: list[Windows] = seen) -> bytes:
                seen.append(windows)
                return b""

            state.once(row, decide)
            features = list(map(float, assemble(row.cents, row.time, seen[0])))
            found[row.transaction_id] = (features, scorer.probability(features))
    return found


def _logged(url: str) -> dict[str, list[tuple[str, list[float]]]]:
    """Rows of answers that were recorded, by transaction: request and features."""
    columns = ", ".join(FEATURE_COLUMNS)
    found: dict[str, list[tuple[str, list[float]]]] = {}
    for key, request, *features in _query(
        url,
        f"SELECT transaction_id, request_id, {columns} FROM fraud_predictions"
        f" WHERE position('{NOT_RECORDED}' in coalesce(degraded, '')) = 0",
    ):
        found.setdefault(key, []).append((request, features))
    return found


def _query(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]
