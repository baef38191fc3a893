"""Raw transactions over HTTP with the state on a PostgreSQL, in this process."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from services.fraud.scoring.models import Models
from services.fraud.scoring.schema import ErrorAnswer, ScoreAnswer
from services.fraud.state.in_postgres import postgres_state
from services.fraud.transactions.features import DAY_S
from tests.services.fraud.driven import PATIENT_S
from tests.services.fraud.running import GENUINE, InProcess, promoted, rows, wait_until
from tests.services.fraud.state.in_postgres.proxy import between
from tests.services.fraud.streams import START, snapshot, stream, transactions

RAW = {
    "transaction_id": "t-1",
    "customer_id": "c-1",
    "terminal_id": "m-1",
    "amount": 57.16,
    "time": "2026-11-20T09:30:00Z",
}


@pytest.fixture
def url(fresh_postgres_url: str) -> str:
    return fresh_postgres_url


@pytest.fixture
def home(tmp_path, model_folder, url):
    """A home whose champion is that of the database, too."""
    promoted(model_folder, tmp_path)
    Models(tmp_path, SecretStr(url)).share()
    return tmp_path


@pytest.fixture
def patient(monkeypatch):
    """A busy machine is no part of what is tested."""
    monkeypatch.setattr(postgres_state, "READ_S", PATIENT_S)
    monkeypatch.setattr(postgres_state, "WRITE_S", PATIENT_S)


@contextmanager
def shared(home: Path, url: str, **settings: Any) -> Iterator[InProcess]:
    """The service with its state at an address."""
    with InProcess(home, fraud_state_url=SecretStr(url), **settings) as service:
        yield service


def ask(service: InProcess, path: str, json: Any = None, *, method: str = "POST"):
    async def once() -> httpx.Response:
        return await service.client.request(method, path, json=json)

    return asyncio.run(once())


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def raw(transaction: Any) -> dict[str, Any]:
    """A transaction as a till sends it."""
    return {
        "transaction_id": transaction.transaction_id,
        "customer_id": transaction.customer_id,
        "terminal_id": transaction.terminal_id,
        "amount": transaction.cents / 100,
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(transaction.time))}",
    }


@pytest.mark.usefixtures("patient")
def test_answers_and_features_are_those_of_the_file(home, url):
    """After a snapshot, with labels between: what is answered, and what is logged for it."""
    table = stream(400, days=45, keys=(20, 10))
    as_of = START + 40 * DAY_S
    before, after = table[table["time"] <= as_of], table[table["time"] > as_of]
    snapshot(before, as_of, home)
    told = {"labels": [{"transaction_id": key, "is_fraud": True} for key in ("200", "unknown")]}
    answers, labelled = [], []
    for state_url in (None, SecretStr(url)):
        with InProcess(home, fraud_state_url=state_url) as service:
            labelled.append(ask(service, "/labels", told).json()["known"])
            found = [
                ask(service, "/score_transaction", raw(row)).json() for row in transactions(after)
            ]
        for answer in found:
            del answer["request_id"]
        answers.append(found)
    assert answers[0] == answers[1]
    assert labelled == [1, 1]
    logged = rows(home, "SELECT * FROM fraud_predictions ORDER BY answered_at")
    assert len(logged) == 2 * len(after)


@pytest.mark.usefixtures("patient")
def test_answer_is_logged_by_the_time_it_is_given_where_log_and_state_are_one(home, url):
    """Killed at once, the worker loses no row; its counters know of it."""
    with shared(home, url, database_url=url) as service:
        answer = ask(service, "/score_transaction", RAW).json()
        there = query(
            url, "SELECT request_id, probability, is_fraud, degraded FROM fraud_predictions"
        )
        again = ask(service, "/score_transaction", RAW).json()
        service.worker._report()
        figures = ask(service, "/metrics", method="GET").text
    row = (answer["request_id"], answer["probability"], answer["is_fraud"], "no_snapshot")
    assert (there, again) == ([row], answer)
    assert "fraud_log_written_total 1.0" in figures
    assert "fraud_log_waiting 0.0" in figures
    assert "fraud_retries_total 1.0" in figures
    assert query(url, "SELECT count(*) FROM fraud_predictions") == [(1,)]


def test_server_that_hangs_leaves_the_rest_in_service(home, url, monkeypatch):
    """Transactions are refused for now, in time; what needs no state is answered meanwhile."""
    monkeypatch.setattr(postgres_state, "READ_S", 2.0)  # so that a busy machine has a meanwhile
    with between(url) as proxy, shared(home, proxy.url) as service:
        wait_until(lambda: ask(service, "/score_transaction", RAW).status_code == 200)
        proxy.freeze()

        async def meanwhile() -> list[httpx.Response]:
            other = {**RAW, "transaction_id": "t-2"}
            asked = asyncio.create_task(service.client.post("/score_transaction", json=other))
            await asyncio.sleep(0)
            beside = [
                await service.client.get("/livez"),
                await service.client.post("/detect_fraud", json={"transaction_data": GENUINE}),
            ]
            assert not asked.done()
            return [await asked, *beside]

        refused, *beside = asyncio.run(meanwhile())
        ready = ask(service, "/readyz", method="GET").json()
        proxy.thaw()
        wait_until(lambda: ask(service, "/score_transaction", RAW).status_code == 200)

    assert [answer.status_code for answer in beside] == [200, 200]
    assert refused.status_code == 503 and "retry-after" in refused.headers
    error = ErrorAnswer.model_validate_json(refused.content).error
    assert error.code == "state_unavailable"
    assert ready["ready"] and "does not answer in time" in ready["waiting_for"]


def test_answer_that_is_not_recorded_in_time_says_so_and_is_logged(home, url):
    """Once, with the reason; a later one is recorded again."""
    lock = "LOCK TABLE fraud_state.transactions IN SHARE MODE"
    with shared(home, url) as service:
        wait_until(
            lambda: ask(service, "/score_transaction", RAW).json()["degraded"] == ["no_snapshot"]
        )
        other = {**RAW, "transaction_id": "t-2"}
        with sa.create_engine(url).connect() as outsider:
            outsider.execute(sa.text(lock))
            wait_until(lambda: ask(service, "/score_transaction", other).status_code == 200)
            answer = ask(service, "/score_transaction", other)
        wait_until(
            lambda: ask(service, "/score_transaction", other).json()["degraded"] == ["no_snapshot"]
        )
    found = ScoreAnswer.model_validate_json(answer.content)
    assert found.degraded == ["no_snapshot", "not_recorded"]
    logged = f"SELECT degraded FROM fraud_predictions WHERE request_id = '{found.request_id}'"
    assert rows(home, logged) == [("no_snapshot,not_recorded",)]


def test_service_that_starts_without_its_database_takes_it_up_when_it_is_there(
    home, url, postgres_restart
):
    """Until then it says what it waits for, and answers what needs no state."""
    with shared(home, url):
        pass  # it has seen which model is champion
    postgres_restart.stop()
    with shared(home, url) as service:
        refused = ask(service, "/score_transaction", RAW)
        detect = ask(service, "/detect_fraud", {"transaction_data": GENUINE})
        ready = ask(service, "/readyz", method="GET")
        postgres_restart.start()
        wait_until(lambda: ask(service, "/score_transaction", RAW).status_code == 200)

        def waiting_for() -> object:
            return ask(service, "/readyz", method="GET").json()["waiting_for"]

        wait_until(lambda: waiting_for() is None)  # the registry is read again by a thread
    assert (refused.status_code, detect.status_code, ready.status_code) == (503, 200, 200)
    assert "state postgresql" in ready.json()["waiting_for"]
