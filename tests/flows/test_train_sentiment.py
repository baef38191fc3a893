"""The training flow, as its user starts it."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.flows.command import command
from tests.flows.traced import traced

pytestmark = pytest.mark.slow

SMALL_FLOW = "tests.flows.small_training"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two small data sets; the second only reports."""
    folder = tmp_path / "reviews"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, rows in {"shop": 120, "sst2_dev": 50}.items():
        labels = rng.integers(0, 2, rows)
        words = np.where(labels == 1, "a great buy", "an awful buy")
        texts = [f"{word}, item {number}" for word, number in zip(words, range(rows), strict=True)]
        pd.DataFrame({"text": texts, "label": labels}).to_parquet(folder / f"{name}.parquet")
    return folder


def test_command_trains_a_model_that_the_nightly_run_can_use(data, tmp_path):
    """A clean terminal, a card with the figures, and a folder that `--model` takes."""
    folder = tmp_path / "model"
    process = command(SMALL_FLOW, tmp_path / "var", "--data", str(data), "--output", str(folder))
    output, errors = process.communicate(timeout=240)

    assert process.returncode == 0, errors
    assert not re.search(r"Traceback|Warning|Error|ERROR", output + errors), output + errors
    assert f"model: {folder}" in output
    card = json.loads((folder / "card.json").read_text())
    assert card["data"]["rows"]["sst2_dev"] == {"report": 50}
    assert card["metrics"]["sst2_dev"]["rows"] == 50
    origin = traced(tmp_path / "var", card["digest"])
    assert origin["training data"].id == card["data"]["digest"]
    assert origin["training run"].id and origin["code"].id == card["code_version"]

    from tasks.sentiment.scoring.model import find_model
    from tasks.sentiment.scoring.scorer import Scorer

    scorer = Scorer(find_model(str(folder), cache=tmp_path / "cache"))
    good, bad = scorer.score(["a great buy, item 7", "an awful buy, item 7"])
    assert good > bad


def test_command_never_replaces_what_is_no_model(data, tmp_path, run_here):
    """An output folder with something else in it is refused before hours of training."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "thesis.txt").write_text("the only copy")

    status, _, errors = run_here(
        "train_sentiment", tmp_path / "var", "--data", str(data), "--output", str(folder)
    )

    assert status == 1, errors
    assert f"error: {folder} holds something else" in errors
    assert (folder / "thesis.txt").read_text() == "the only copy"


def test_command_says_what_is_wrong_with_the_data(tmp_path, run_here):
    """One line, and no model."""
    status, _, errors = run_here("train_sentiment", tmp_path / "var", "--data", str(tmp_path))

    assert status == 1, errors
    assert f"error: no *.parquet file in {tmp_path}" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "var" / "models").exists()
