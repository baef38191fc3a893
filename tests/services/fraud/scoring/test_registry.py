"""Who is champion, and how it changes."""

import json
import multiprocessing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.fraud.errors import ModelError, PromotionRefused
from services.fraud.scoring import registry as module
from services.fraud.scoring.registry import Registry, Standing

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(module, "datetime", SimpleNamespace(now=lambda zone: NOW))
    return Registry(tmp_path)


def test_new_registry_has_no_champion(registry):
    """And reading it makes no file."""
    assert registry.read() == Standing()
    assert not registry.file.exists()


def test_promotion_keeps_the_champion_before(registry):
    """The file holds what the service polls."""
    registry.promote("m:1", "first")
    registry.promote("m:2", "better")

    assert json.loads(registry.file.read_text()) == {
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


def test_damaged_files_are_told_and_block(registry):
    """A promotion mends the registry; a damaged block blocks."""
    registry.promote("m:1", "")
    registry.file.write_text('{"champion": ')
    with pytest.raises(ModelError, match=r"registry\.json is damaged"):
        registry.read()
    assert registry.promote("m:2", "").champion == "m:2"
    (registry.file.parent / "promotion_block.json").write_text("")
    assert "damaged" in str(registry.blocked())


@pytest.fixture
def unable() -> set[str]:
    """Models that could not answer."""
    return set()


@pytest.fixture
def checking(tmp_path: Path, unable: set[str]) -> Registry:
    """A registry that checks; m:3 is champion, m:4 the shadow, m:2 and m:1 were champions."""

    def check(tag: str) -> None:
        if tag in unable:
            raise ModelError(f"no model {tag} in the store")

    registry = Registry(tmp_path, check)
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
    before = checking.file.read_bytes()
    with pytest.raises(ModelError, match=message) as caught:
        move(checking)

    assert "\n" not in str(caught.value)
    assert checking.file.read_bytes() == before


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


def _promote_many(home: Path, name: str) -> None:
    for number in range(10):
        Registry(home).promote(f"{name}:{number}", "")


def test_no_change_is_lost_between_processes(tmp_path):
    """Two processes promote at once: every model was champion once."""
    workers = [
        multiprocessing.get_context("fork").Process(target=_promote_many, args=(tmp_path, name))
        for name in "ab"
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    standing = Registry(tmp_path).read()
    everyone = {f"{name}:{number}" for name in "ab" for number in range(10)}
    assert {standing.champion, *standing.previous} == everyone
    assert not list((tmp_path / "fraud").glob("*.new"))
