"""Services with homes of their own, as on several machines, that share models in one PostgreSQL."""

import asyncio
import random
from contextlib import closing
from functools import partial

import httpx
import pytest
from pydantic import SecretStr

from services.fraud.scoring.models import Models
from services.fraud.state.place import StatePlace
from services.fraud.state.snapshot import read_pointer, write_snapshot
from services.fraud.transactions.features import DAY_S
from tests.services.fraud.load import Load
from tests.services.fraud.replicated import Sent, faults, replicas, send
from tests.services.fraud.running import GENUINE, InProcess, served, wait_until
from tests.services.fraud.streams import START, stream, transactions

AS_OF = START + 60 * DAY_S
MANY = 40  # answers


@pytest.fixture
def trainer(tmp_path, fresh_postgres_url):
    """The models as the machine has them where flows run."""
    return Models(tmp_path / "trainer", SecretStr(fresh_postgres_url))


@pytest.fixture
def released(trainer, model_folder):
    """The tags of a champion and of a candidate."""
    champion, candidate = (trainer.save(model_folder) for _ in range(2))
    trainer.registry().promote(champion, "good")
    return champion, candidate


def have_shadow(urls, model):
    return all(httpx.get(f"{url}/readyz").json()["shadow"] == model for url in urls)


def all_answer_with(load, model, since):
    """Whether many answers were given since then, and the last ones by this model alone."""
    return len(load.models) > since + MANY and set(load.models[-MANY:]) == {model}


@pytest.mark.slow
def test_release_shadow_and_rollback_reach_every_replica_and_no_request_fails(
    trainer, released, tmp_path, fresh_postgres_url
):
    """Each answer names the model that gave it: the one before, or the one after."""
    champion, candidate = released
    shared = {"TRIPTYCH_FRAUD_STATE_URL": fresh_postgres_url}
    with served(tmp_path / "a", **shared) as (one, _), served(tmp_path / "b", **shared) as (two, _):
        load, registry = Load(one, 6, two), trainer.registry()

        def story():
            registry.shadow(candidate)
            wait_until(partial(have_shadow, (one, two), candidate))
            registry.promote(candidate, "better")
            wait_until(partial(all_answer_with, load, candidate, since=len(load.models)))
            registry.rollback()
            wait_until(partial(all_answer_with, load, champion, since=len(load.models)))

        asyncio.run(load.during(story))

    assert not load.errors
    assert set(load.statuses) == {200}
    assert set(load.models) == {champion, candidate}


@pytest.mark.slow
def test_replicas_answer_as_one_file_though_one_is_killed(
    trainer, released, model_folder, tmp_path, fresh_postgres_url
):
    """A random stream to both: no transaction is lost, doubled, or decided on other windows."""
    table = stream(400, days=30, keys=(40, 30), seed=5).assign(is_fraud=False)
    sent = Sent()
    with replicas(tmp_path, fresh_postgres_url) as running:

        def story():
            wait_until(lambda: len(sent.answers) > len(table) // 3, 120)
            running[0].kill()
            running[0].start()

        async def both():
            rows = list(transactions(table))
            sending = send(rows, running, random.Random(6), sent)
            await asyncio.gather(sending, asyncio.to_thread(story))

        asyncio.run(both())
        running[0].await_ready()

    assert faults(table, sent, model_folder, tmp_path, fresh_postgres_url) == []
    assert sent.failures  # it was killed while it was asked


def ask(service):
    """An answer's status and model, and what the service says of itself."""

    async def both():
        answer = await service.client.post("/detect_fraud", json={"transaction_data": GENUINE})
        return answer, await service.client.get("/readyz")

    answer, readiness = asyncio.run(both())
    return answer.status_code, answer.json().get("model"), readiness.json()


def test_replica_that_starts_while_the_database_is_away_answers_and_says_so(
    trainer, released, tmp_path, fresh_postgres_url, postgres_restart
):
    """By the model that its home saw as champion last; one promoted meanwhile comes with it."""
    champion, candidate = released
    home, url = tmp_path / "a", SecretStr(fresh_postgres_url)
    with InProcess(home, fraud_state_url=url) as service:
        assert ask(service)[:2] == (200, champion)
        postgres_restart.stop()
        wait_until(lambda: f"{champion} goes on" in (ask(service)[2]["waiting_for"] or ""))
        assert ask(service)[:2] == (200, champion)
    with InProcess(home, fraud_state_url=url) as service:
        status, model, readiness = ask(service)
        assert (status, model) == (200, champion)
        assert (readiness["ready"], readiness["registered"]) == (True, champion)
        assert f"{champion}, champion when it was read last" in readiness["waiting_for"]
        postgres_restart.start()
        trainer.registry().promote(candidate, "better")
        wait_until(lambda: ask(service)[:2] == (200, candidate))
        assert "database" not in (ask(service)[2]["waiting_for"] or "")


def test_old_snapshot_of_one_home_does_not_replace_the_history_of_all(tmp_path, fresh_postgres_url):
    """One is taken in where it is the newest, as that of the home that was the first of them."""
    url, loaded = SecretStr(fresh_postgres_url), []
    for home, days in (("old", 0), ("new", 1), ("old", 0)):
        write_snapshot(stream(50), AS_OF + days * DAY_S, tmp_path / home)
        with InProcess(tmp_path / home, fraud_state_url=url) as service:
            assert ask(service)[2]["state_as_of"]
        with closing(StatePlace(tmp_path / home, fresh_postgres_url).open()) as state:
            loaded.append(state.snapshot)
    pointers = [read_pointer(tmp_path / home) for home in ("old", "new", "new")]
    assert loaded == [pointer and pointer.digest for pointer in pointers]


def test_replica_that_has_never_seen_a_champion_is_not_ready(
    released, tmp_path, fresh_postgres_url, postgres_restart
):
    """It says what it waits for, and answers when it is there."""
    postgres_restart.stop()
    with InProcess(tmp_path / "new", fraud_state_url=SecretStr(fresh_postgres_url)) as service:
        status, _, readiness = ask(service)
        assert (status, readiness["ready"]) == (503, False)
        assert "database postgresql+psycopg://" in readiness["waiting_for"]
        postgres_restart.start()
        wait_until(lambda: ask(service)[:2] == (200, released[0]))
