"""A home in which all panels have worked, with a fraud model that can answer."""

import shutil
from pathlib import Path

import pytest
import yaml

from services.fraud.scoring import store
from services.fraud.scoring.registry import Registry
from tasks.settings import Settings
from tests.services.fraud.conftest import own_folder

__all__ = ["own_folder"]  # a fixture


@pytest.fixture
def home(worked_home: Path, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that a test may change."""
    put_model(worked_home, own_folder, "able")
    (worked_home / "fraud" / "registry.json").unlink()  # of a model that has nothing to run
    Registry(worked_home).promote("fraud_detector:able", "it can answer")
    monkeypatch.setenv("TRIPTYCH_HOME", str(worked_home))
    return worked_home


def put_model(home: Path, folder: Path, version: str) -> None:
    """As BentoML would, which takes seconds to load."""
    place = shutil.copytree(folder, home / "bentoml" / "models" / "fraud_detector" / version)
    told = yaml.safe_dump({"metadata": {"sha256": store.digests(place)}})
    (place / "model.yaml").write_text(told, "utf-8")


@pytest.fixture
def settings(home: Path) -> Settings:
    """Of that home."""
    return Settings()
