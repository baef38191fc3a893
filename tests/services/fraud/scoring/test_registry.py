"""Who is champion, and how it changes: alike in the files of a home and in a database."""

import json
import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.fraud.errors import ModelError, PromotionRefused
from services.fraud.model_storage.database import ModelDatabase
from services.fraud.model_storage.registry_rows import RegistryRows
from services.fraud.model_storage.registry_storage import (
    BLOCK,
    STANDING,
    RegistryCopy,
    RegistryFiles,
    RegistryStorage,
)
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring import registry as module
from services.fraud.scoring.card import numbered
from services.fraud.scoring.registry import Registry
from services.fraud.transactions.features import FEATURES

NOW = datetime(2026, 11, 22, tzinfo=UTC)
Opened = Callable[[], RegistryStorage]


@pytest.fixture(params=["files", "rows"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens the storage of a registry, the same one each time, once of each kind."""
    if request.param == "files":
        return partial(RegistryFiles, tmp_path)
    return partial(_rows, request.getfixturevalue("fresh_postgres_url"))


def _rows(url: str) -> RegistryStorage:
    return RegistryRows(ModelDatabase(url))


@pytest.fixture
def registry(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda zone: NOW))
    return Registry(opened())


def kept(registry: Registry) -> Any:
    """What the service polls."""
    return json.loads(registry.storage.read(STANDING) or "null")


def keep(registry: Registry, text: str, name: str = STANDING) -> None:
    """As an accident would."""
    with registry.storage.changes():
        registry.storage.write(name, text)


def test_new_registry_has_no_champion(registry, tmp_path):
    """And reading it makes nothing."""
    assert registry.read() == Standing()
    assert registry.blocked() is None
    assert kept(registry) is None and not list(tmp_path.iterdir())


def test_promotion_keeps_the_champion_before(registry):
    """It is kept as earlier versions kept it."""
    registry.promote("m:1", "first")
    registry.promote("m:2", "better")

    assert kept(registry) == {
        "champion": "m:2",
        "previous": ["m:1"],
        "shadow": None,
        "changed_at": NOW.isoformat(),
        "reason": "better",
    }
    assert registry.read().role("m:2") == "champion"
    assert registry.read().role("m:1") == "candidate"


def test_promotion_of_the_champion_changes_nothing(registry):
    """Nor is it listed as its own predecessor."""
    first = registry.promote("m:1", "first")
    assert registry.promote("m:1", "again") == first


def test_rollback_goes_back_step_by_step(registry):
    """Until there is none left."""
    for tag in ("m:1", "m:2", "m:3"):
        registry.promote(tag, "")

    assert [registry.rollback(), registry.rollback()] == ["m:2", "m:1"]
    assert registry.read().reason == "rolled back from m:2"
    with pytest.raises(PromotionRefused, match="no earlier champion"):
        registry.rollback()
    assert registry.read().champion == "m:1"


def test_shadow_stays_until_it_is_ended_or_promoted(registry):
    """The champion cannot be its own shadow."""
    registry.promote("m:1", "")
    registry.shadow("m:2")
    assert registry.read().role("m:2") == "shadow"
    with pytest.raises(PromotionRefused, match="own shadow"):
        registry.shadow("m:1")
    registry.promote("m:2", "")
    assert registry.read().shadow is None
    registry.shadow("m:1")
    registry.rollback()
    assert registry.read() == Standing("m:1", (), None, NOW.isoformat(), "rolled back from m:2")


def test_block_keeps_models_out_but_for_the_explicit_wish(registry):
    """Going back is possible all the same."""
    registry.promote("m:1", "")
    registry.promote("m:2", "")
    registry.block("average precision fell to 0.4")

    assert registry.blocked() == "average precision fell to 0.4"
    with pytest.raises(PromotionRefused, match=r"blocked: average precision fell.*override-block"):
        registry.promote("m:3", "")
    assert registry.rollback() == "m:1"
    assert registry.promote("m:3", "", override_block=True).champion == "m:3"
    registry.unblock()
    registry.unblock()
    assert registry.blocked() is None
    assert registry.promote("m:4", "").champion == "m:4"


def test_damage_is_told_and_blocks(registry):
    """A promotion mends the registry; a damaged block blocks."""
    registry.promote("m:1", "")
    keep(registry, '{"champion": ')
    with pytest.raises(ModelError, match=r"registry(\.json|.* in database .*) is damaged"):
        registry.read()
    assert registry.promote("m:2", "").champion == "m:2"
    keep(registry, "", BLOCK)
    assert "damaged" in str(registry.blocked())
    registry.unblock()
    assert registry.blocked() is None


def test_copy_is_changed_alone(registry):
    """What would be refused there is refused, and nothing is kept."""
    for tag in ("m:1", "m:2"):
        registry.promote(tag, "")
    registry.block("average precision fell")
    before = kept(registry)
    copy = Registry(RegistryCopy(registry.storage))

    assert copy.rollback() == "m:1"
    with pytest.raises(PromotionRefused, match="average precision fell"):
        copy.promote("m:2", "")
    copy.unblock()
    assert copy.promote("m:2", "").champion == "m:2"
    assert kept(registry) == before and registry.blocked()


@pytest.fixture
def unable() -> set[str]:
    """Models that could not answer."""
    return set()


@pytest.fixture
def checking(opened: Opened, unable: set[str]) -> Registry:
    """A registry that checks; m:3 is champion, m:4 the shadow, m:2 and m:1 were champions."""

    def check(tag: str) -> None:
        if tag in unable:
            raise ModelError(f"no model {tag} in the store")

    registry = Registry(opened(), check)
    for tag in ("m:1", "m:2", "m:3"):
        registry.promote(tag, "")
    registry.shadow("m:4")
    return registry


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (
            lambda registry: registry.promote("m:9", ""),
            r"m:9 does not become champion: no model m:9 in the store; m:3 stays \(see manage_m",
        ),
        (
            lambda registry: registry.promote("m:9", "", override_block=True),
            "m:9 does not become champion",
        ),
        (lambda registry: registry.shadow("m:9"), r"m:9 does not become shadow: .*; m:4 stays"),
        (
            lambda registry: registry.rollback(),
            r"m:3 stays champion, for m:2 cannot answer: no model m:2 in the store; of the"
            r" champions before it m:1 can answer: manage_models --promote m:1 promotes the newest",
        ),
    ],
)
def test_model_that_cannot_answer_gets_no_role(checking, unable, move, message):
    """Nothing moves, whoever asks; one line says why and what there is to choose."""
    unable |= {"m:9", "m:2"}
    before = kept(checking)
    with pytest.raises(ModelError, match=message) as caught:
        move(checking)

    assert "\n" not in str(caught.value)
    assert kept(checking) == before


def test_rollback_without_any_model_that_can_answer_says_where_to_look(checking, unable):
    """And the second rollback is checked like the first."""
    assert checking.rollback() == "m:2"
    unable.add("m:1")
    with pytest.raises(ModelError, match=r"m:2 stays .* m:1 cannot .*either: see .*--list-models"):
        checking.rollback()
    assert checking.read().champion == "m:2"


def test_champion_that_has_gone_can_be_left(checking, unable):
    """It is the model to come that has to answer, not the one that goes."""
    unable |= {"m:3", "m:4"}
    assert checking.shadow(None).shadow is None
    assert checking.rollback() == "m:2"


OWN = ("V1", "V2")


@pytest.fixture
def reading(opened: Opened, unable: set[str]) -> Registry:
    """A registry of models that read the Handbook's features, or their own."""
    kinds = {"own": OWN, "plain": numbered(len(FEATURES))}

    def check(tag: str) -> tuple[str, ...]:
        if tag in unable:
            raise ModelError(f"model {tag} is damaged")
        return kinds.get(tag.partition(":")[0], FEATURES)

    return Registry(opened(), check)


def test_features_of_a_champion_are_known_without_its_files(reading, unable):
    """A model of the same follows it, and one of the Handbook's has to be meant."""
    reading.promote("own:1", "")
    assert kept(reading)["own_features"] == ["V1", "V2"]
    unable.add("own:1")
    with pytest.raises(PromotionRefused, match=r"reads 15 features .*, and own:1 2 features"):
        reading.promote("m:1", "")
    assert reading.promote("own:2", "").own_features == OWN

    assert reading.promote("m:1", "", new_contract=True).own_features is None
    assert "own_features" not in kept(reading)
    assert reading.rollback(new_contract=True) == "own:2"
    assert reading.read().own_features == OWN


def test_champion_of_an_earlier_version_counts_as_the_handbooks_without_its_files(reading, unable):
    """Nothing else is noted of it; what is no list of names is damage."""
    reading.promote("own:1", "")
    entries = kept(reading)
    keep(reading, json.dumps({**entries, "own_features": "V1"}))
    with pytest.raises(ModelError, match="damaged"):
        reading.read()
    del entries["own_features"]
    keep(reading, json.dumps(entries))
    unable.add("own:1")
    assert reading.promote("m:1", "").champion == "m:1"


def test_shadow_that_reads_other_features_than_the_first_champion_goes(reading, unable):
    """One of the same stays, and so does one of which that cannot be known."""
    reading.shadow("own:1")
    assert reading.promote("m:1", "").shadow is None
    reading.shadow("m:2")
    assert reading.promote("m:3", "").shadow == "m:2"
    unable.add("m:2")
    assert reading.promote("m:4", "").shadow == "m:2"


def test_network_of_fifteen_inputs_without_names_may_be_the_handbooks(reading):
    """It is said how to register it then; not of other networks, nor behind others."""
    reading.promote("m:1", "")
    for move in (lambda tag: reading.promote(tag, ""), reading.shadow):
        with pytest.raises(PromotionRefused, match=r"register it with --features handbook$"):
            move("plain:1")
        with pytest.raises(PromotionRefused) as caught:
            move("own:1")
        assert "--features" not in str(caught.value)
    assert "--features" not in str(reading.promote("plain:1", "", new_contract=True).new_contract)
    reading.promote("own:1", "", new_contract=True)
    with pytest.raises(PromotionRefused) as caught:
        reading.promote("plain:1", "")
    assert "--features" not in str(caught.value)


def _promote_many(opened: Opened, name: str) -> None:
    for number in range(10):
        Registry(opened()).promote(f"{name}:{number}", "")


def test_no_change_is_lost_between_processes(opened, tmp_path):
    """Two processes promote at once: every model was champion once."""
    workers = [
        multiprocessing.get_context("fork").Process(target=_promote_many, args=(opened, name))
        for name in "ab"
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    standing = Registry(opened()).read()
    everyone = {f"{name}:{number}" for name in "ab" for number in range(10)}
    assert {standing.champion, *standing.previous} == everyone
    assert not list((tmp_path / "fraud").glob("*.new"))
