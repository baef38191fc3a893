"""Which models can answer, and who is told."""

import json
import shutil
from pathlib import Path

import pytest

from services.fraud.errors import ModelError
from services.fraud.model_storage.standing import Standing
from services.fraud.scoring import store
from services.fraud.scoring.model_check import check, checked_registry, faults
from services.fraud.scoring.models import Models
from services.fraud.scoring.registry import Registry
from tests.services.fraud.running import promoted


def remove(tag: str, home: Path) -> None:
    """As `bentoml models delete` does."""
    shutil.rmtree(store.folder(tag, home))


def with_another_card(model_folder: Path, folder: Path) -> Path:
    """A model whose card belongs to another one."""
    shutil.copytree(model_folder, folder)
    card = json.loads((folder / "card.json").read_text())
    card["canary"][0]["probability"] = 1 - card["canary"][0]["probability"] / 2
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_model_that_can_answer_is_told_by_its_card(model_folder, tmp_path):
    """The one that it was saved with."""
    tag = store.save(model_folder, tmp_path)

    assert check(tag, Models(tmp_path)).threshold > 0


def test_model_that_cannot_answer_is_told(model_folder, tmp_path, monkeypatch):
    """Gone, damaged, without its description, of another card, in another store."""
    gone, damaged, bare, known = (store.save(model_folder, tmp_path) for _ in range(4))
    remove(gone, tmp_path)
    with (store.folder(damaged, tmp_path) / "model.tflite").open("ab") as file:
        file.write(b"1")
    (store.folder(bare, tmp_path) / "model.yaml").write_text(": no YAML [")
    other = store.save(with_another_card(model_folder, tmp_path / "other"), tmp_path)

    for tag, message in {
        gone: "no model .*; newest there: ",
        damaged: "is damaged: its files are not those saved",
        bare: "cannot be opened",
        other: "model.tflite and card.json do not belong together",
        "fraud_detector:1": "no model fraud_detector:1",
    }.items():
        with pytest.raises(ModelError, match=message):
            check(tag, Models(tmp_path))
    check(known, Models(tmp_path))
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(ModelError, match="newest there: none"):
        check(known, Models(tmp_path))


def test_registry_takes_only_models_that_can_answer(model_folder, tmp_path):
    """In every role; the one that answers stays."""
    before, champion = promoted(model_folder, tmp_path), promoted(model_folder, tmp_path)
    other = store.save(with_another_card(model_folder, tmp_path / "other"), tmp_path)
    registry = checked_registry(Models(tmp_path))
    remove(before, tmp_path)

    for move in (
        registry.rollback,
        lambda: registry.promote(other, "", override_block=True),
        lambda: registry.shadow(other),
        lambda: registry.shadow("fraud_detector:1"),
    ):
        with pytest.raises(ModelError):
            move()
    assert Registry(tmp_path).read().role(champion) == "champion"
    assert Registry(tmp_path).read().shadow is None


def test_faults_name_the_role_of_each_model(model_folder, tmp_path):
    """Of the champion, the shadow, and the one to go back to."""
    tags = [store.save(model_folder, tmp_path) for _ in range(4)]
    standing, models = Standing(tags[0], (tags[1], tags[3]), tags[2]), Models(tmp_path)
    assert faults(standing, models) == faults(Standing(), models) == []
    for tag in tags:
        remove(tag, tmp_path)

    for told, begin in zip(
        faults(standing, models),
        ("the champion", "the shadow", "the champion before"),
        strict=True,
    ):
        assert told.startswith(f"{begin} fraud_detector:")
        assert "cannot answer: no model fraud_detector:" in told
