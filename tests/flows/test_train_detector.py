"""The training of a detector as a command."""

import json

import pytest

from tests.edge.release.training.labelled import write_squares
from tests.flows.command import command
from tests.flows.traced import traced

pytestmark = pytest.mark.slow

SMALL = ("--height", "64", "--width", "64", "--channels", "4", "--steps", "10", "--batch", "2")


def test_training_leaves_a_model_and_its_report(tmp_path):
    """On a folder of one's own, whose name is made to fit."""
    data = write_squares(tmp_path / "Squares (2)", 6)

    process = command("flows.train_detector", tmp_path / "var", "--dataset", str(data), *SMALL)
    out, err = process.communicate(timeout=300)

    assert process.returncode == 0, err
    assert "Traceback" not in out + err
    folder = tmp_path / "var" / "detectors" / "squares-2"
    assert {file.name for file in folder.iterdir()} == {
        *("model.keras", "labels.txt", "card.json", "report.html"),
    }
    assert str(folder / "report.html") in out
    card = json.loads((folder / "card.json").read_text())
    assert card["labels"] == ["red", "blue"]
    origin = traced(tmp_path / "var", "squares-2")
    assert origin["training data"].id == card["data_digest"]
    assert origin["training run"].id and origin["code"].id == card["code_version"]
    assert "5 images to train on, 1 to validate with" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--height", "100"), "--height: use a multiple of 32, such as 96"),
        (("--name", "../../x"), "--name: String should match pattern"),
        (("--seed", "-1"), "--seed: Input should be greater than or equal to 0"),
    ],
)
def test_wrong_arguments_end_with_what_would_be_right(tmp_path, arguments, message, run_here):
    """Status 2 and one line."""
    status, _, errors = run_here("train_detector", tmp_path / "var", *arguments)

    assert status == 2
    assert message in errors


def test_missing_folder_is_named(tmp_path, run_here):
    """Status 1, one line, no traceback."""
    nowhere = str(tmp_path / "nowhere")

    status, _, errors = run_here("train_detector", tmp_path / "var", "--dataset", nowhere)

    assert status == 1
    assert "Traceback" not in errors
    assert "nowhere" in errors.splitlines()[-1]
