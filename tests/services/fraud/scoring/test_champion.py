"""Which model answers, as the registry changes."""

import os
import shutil
import signal
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from services.fraud.model_storage import database
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring import champion as module
from services.fraud.scoring import store
from services.fraud.scoring.champion import AGAIN_AFTER_S, SLOW_S, Champion
from services.fraud.scoring.models import Models
from services.fraud.scoring.registry import Registry
from tests.services.fraud.running import promoted


@pytest.fixture
def swaps():
    return []


@pytest.fixture
def time(monkeypatch):
    """Seconds; a list, so that a test may move them."""
    seconds = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: seconds[0]))
    return seconds


@pytest.fixture
def champion(tmp_path, swaps, time):
    return Champion(
        Registry(tmp_path),
        lambda tag: store.folder(tag, tmp_path),
        on_swap=swaps.append,
    )


def logged(caplog):
    """By the champion: other threads of this process may log, too."""
    return [each.getMessage() for each in caplog.records if each.name == module.__name__]


def test_nothing_answers_before_there_is_a_champion(champion):
    """An empty registry is no fault."""
    champion.refresh()
    assert (champion.scorer, champion.shadow, champion.fault) == (None, None, None)


def test_champion_and_shadow_are_taken_up_and_left(champion, tmp_path, model_folder, swaps):
    """Promotion, shadow, its end, and rollback, each at the next look."""
    registry, first = Registry(tmp_path), promoted(model_folder, tmp_path)
    champion.refresh()
    same = champion.scorer
    champion.refresh()
    assert champion.scorer is same and same.tag == first

    second = store.save(model_folder, tmp_path)
    registry.shadow(second)
    champion.refresh()
    assert (champion.scorer.tag, champion.shadow.tag) == (first, second)

    registry.promote(second, "better")
    champion.refresh()
    assert (champion.scorer.tag, champion.shadow) == (second, None)

    registry.rollback()
    champion.refresh()
    assert champion.scorer.tag == first
    assert swaps == [True] * len(swaps)


def test_model_that_cannot_be_opened_is_told_and_tried_again(
    champion, tmp_path, model_folder, swaps, time
):
    """The one before goes on; a model whose files come late needs not be named anew."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    late = store.save(model_folder, tmp_path)
    folder = store.folder(late, tmp_path)
    folder.rename(tmp_path / "aside")
    Registry(tmp_path).promote(late, "its files are on their way")
    for _ in range(3):
        champion.refresh()
    time[0] += AGAIN_AFTER_S
    champion.refresh()

    assert champion.scorer.tag == first
    assert late in champion.fault
    assert swaps == [True, False]

    (tmp_path / "aside").rename(folder)
    champion.refresh()
    assert champion.scorer.tag == first
    time[0] += AGAIN_AFTER_S
    champion.refresh()
    assert champion.scorer.tag == late
    assert swaps == [True, False, True]


@pytest.mark.parametrize("content", ["{", "[]", '{"champion": 5, "previous": []}', "null"])
def test_damaged_registry_changes_nothing(champion, tmp_path, model_folder, content):
    """Who answers goes on, and the fault is told."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    (tmp_path / "fraud" / "registry.json").write_text(content)
    champion.refresh()

    assert champion.scorer.tag == first
    assert "damaged" in champion.fault


def test_what_is_registered_is_told_apart_from_what_answers(champion, tmp_path, model_folder):
    """Not in the store, or damaged there: which one answers meanwhile, and why, until mended."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    assert (champion.registered, champion.fault, champion.lacking) == (first, None, None)

    gone = "fraud_detector:20991231-000000-000000"
    Registry(tmp_path).promote(gone, "a pointer to nothing")
    champion.refresh()
    assert champion.registered == gone
    for told in (gone, f"no model {gone}", f"{first} goes on answering"):
        assert told in champion.lacking

    damaged = store.save(model_folder, tmp_path)
    (store.folder(damaged, tmp_path) / "model.tflite").write_bytes(b"damaged")
    Registry(tmp_path).promote(damaged, "by mistake")
    champion.refresh()
    assert damaged in champion.fault and "damaged" in champion.fault and gone not in champion.fault

    Registry(tmp_path).promote(first, "back")
    champion.refresh()
    assert (champion.registered, champion.fault) == (first, None)


def test_without_a_model_it_is_told_what_makes_one(champion):
    """With the commands."""
    champion.refresh()
    assert "train_fraud" in champion.lacking and "register_fraud" in champion.lacking


def test_files_that_are_gone_from_the_store_are_told(champion, tmp_path, model_folder):
    """The model goes on from memory, but the next process would have none."""
    first = promoted(model_folder, tmp_path)
    champion.refresh()
    folder = store.folder(first, tmp_path)
    folder.rename(tmp_path / "aside")
    champion.refresh()
    assert champion.scorer.tag == first
    assert "gone from the store" in champion.fault

    (tmp_path / "aside").rename(folder)
    champion.refresh()
    assert champion.fault is None


def test_every_change_is_one_line_of_the_log(champion, tmp_path, model_folder, caplog, time):
    """A champion, another one, a shadow, its end, and each failure; nothing twice."""
    registry = Registry(tmp_path)

    def refreshed_often():
        caplog.clear()
        for _ in range(3):
            champion.refresh()
            time[0] += AGAIN_AFTER_S
        return logged(caplog)

    caplog.set_level("INFO", "services.fraud.scoring.champion")
    first = promoted(model_folder, tmp_path)
    assert refreshed_often() == [f"champion: {first} answers from now on"]

    second = store.save(model_folder, tmp_path)
    registry.shadow(second)
    assert refreshed_often() == [f"shadow: {second} scores along from now on, unheard"]
    registry.shadow(None)
    assert refreshed_often() == [f"shadow: {second} scores along no more"]

    registry.promote(second, "better")
    assert refreshed_often() == [f"champion: {second} answers from now on, instead of {first}"]

    registry.promote("fraud_detector:none", "a pointer to nothing")
    registry.shadow("fraud_detector:neither")
    [of_champion, of_shadow] = refreshed_often()  # though they fail in turns
    assert of_champion.startswith("champion: fraud_detector:none is registered and cannot be")
    assert of_shadow.startswith("shadow: fraud_detector:neither is to score along and cannot be")

    (tmp_path / "fraud" / "registry.json").write_text("{")
    [damaged] = refreshed_often()
    assert damaged.startswith("registry: ")


@pytest.fixture
def replica(tmp_path, fresh_postgres_url, time):
    """Gives the models of a service's home that shares them, and the champion of a process."""
    opened = []

    def start(name: str = "replica", url: str = fresh_postgres_url) -> tuple[Models, Champion]:
        models = Models(tmp_path / name, SecretStr(url), serves=True)
        opened.append(models)
        return models, Champion(models.registry(), models.folder)

    yield start
    for models in opened:
        models.close()


@pytest.fixture
def shared(tmp_path, fresh_postgres_url):
    """The models of another machine, which trains and promotes."""
    return Models(tmp_path / "trainer", SecretStr(fresh_postgres_url))


def test_champion_of_another_machine_is_taken_up_with_its_files(replica, shared, model_folder):
    """And its shadow; a rollback needs nothing but the registry."""
    _, champion = replica()
    champion.refresh()
    assert (champion.scorer, champion.fault) == (None, None)

    first, second = (shared.save(model_folder) for _ in range(2))
    shared.registry().promote(first, "good")
    shared.registry().shadow(second)
    champion.refresh()
    assert (champion.scorer.tag, champion.shadow.tag) == (first, second)

    shared.registry().promote(second, "better")
    champion.refresh()
    shared.registry().rollback()
    champion.refresh()
    assert (champion.scorer.tag, champion.shadow, champion.fault) == (first, None, None)


def test_database_that_is_away_changes_nothing_and_is_told_once(
    replica, shared, model_folder, postgres_restart, caplog
):
    """Whatever the database says of it meanwhile; what was promoted then is taken up after it."""
    first, second = (shared.save(model_folder) for _ in range(2))
    shared.registry().promote(first, "good")
    _, champion = replica()
    champion.refresh()
    caplog.clear()

    postgres_restart.stop()
    for _ in range(3):
        champion.refresh()
    assert champion.scorer.tag == first
    assert champion.fault.endswith(f"; {first} goes on answering")
    [line] = logged(caplog)
    assert line.startswith("registry: database postgresql+psycopg://")

    postgres_restart.start()
    shared.registry().promote(second, "better")
    champion.refresh()
    assert (champion.scorer.tag, champion.fault) == (second, None)


def test_process_that_starts_without_the_database_goes_by_what_its_home_saw_last(
    replica, shared, model_folder, postgres_restart
):
    """And says so; a home that has never seen it answers nothing."""
    first, second = (shared.save(model_folder) for _ in range(2))
    shared.registry().promote(first, "good")
    replica()[1].refresh()
    postgres_restart.stop()

    _, champion = replica()
    for _ in range(2):
        champion.refresh()
        assert champion.scorer.tag == champion.registered == first
        assert f"; {first}, champion when it was read last, is taken for it" in champion.lacking
    _, without = replica("another home")
    without.refresh()
    assert without.scorer is None and "database postgresql" in without.lacking

    postgres_restart.start()
    shared.registry().promote(second, "better")
    champion.refresh()
    assert (champion.scorer.tag, champion.fault) == (second, None)


def test_what_was_seen_in_another_database_is_not_gone_by(replica, shared, model_folder):
    """Its champion may never have been one here."""
    shared.registry().promote(shared.save(model_folder), "good")
    replica()[1].refresh()
    _, champion = replica(url="postgresql+psycopg://ann@127.0.0.1:1/other")
    champion.refresh()
    assert champion.scorer is None and "127.0.0.1" in champion.lacking


def test_files_that_are_gone_are_fetched_again_from_the_database(replica, shared, model_folder):
    """Before the next process needs them."""
    shared.registry().promote(tag := shared.save(model_folder), "good")
    models, champion = replica()
    champion.refresh()
    shutil.rmtree(store.place(tag, models.home))
    champion.refresh()
    assert champion.fault is None and store.fault(tag, models.home) is None


def test_server_that_hangs_is_left_for_another_one(
    replica, shared, model_folder, fresh_postgres_url, monkeypatch
):
    """As that of a machine that stands still, while another one has taken over its address."""
    monkeypatch.setattr(database, "HANGS_AFTER_S", 0.5)
    first, second = (shared.save(model_folder) for _ in range(2))
    shared.registry().promote(first, "good")
    models, champion = replica()
    champion.refresh()
    with models._database.transaction(writes=False) as connection:
        hung = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    os.kill(hung, signal.SIGSTOP)
    try:
        shared.registry().promote(second, "better")
        champion.refresh()
    finally:
        os.kill(hung, signal.SIGCONT)
    assert (champion.scorer.tag, champion.fault) == (second, None)


def test_registry_that_does_not_answer_is_told_while_it_is_waited_for(replica, time):
    """A look takes seconds, and whoever asks how things stand has to be told."""
    _, champion = replica()
    told = []

    def read():
        told.append(champion.fault)
        time[0] += SLOW_S + 1
        told.append(champion.fault)
        return Standing()

    champion._registry.read = read
    champion.refresh()
    assert told[0] is None and told[1].endswith("does not answer")
    assert champion.fault is None
