"""From images to a model folder and its report."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from edge_detector.inference.boxes import Box, Detection

from edge.release.datasets.annotations import LabelledImage
from edge.release.errors import DatasetError, ModelFileError
from edge.release.training.augmentation import Augmentation
from edge.release.training.comparison import compare_image
from edge.release.training.network import Shape
from edge.release.training.report import compared_images, write_report
from edge.release.training.trainer import Recipe
from edge.release.training.training_run import (
    Plan,
    check_output,
    fit,
    held_output,
    package,
    read_images,
)
from services.modelling.keras import open_keras
from tests.edge.release.training.labelled import write_squares
from tests.services.modelling.test_keras import draw_without_a_seed

pytestmark = pytest.mark.slow

STEPS = 100


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training that takes some seconds: plan, what came out, and the model's folder."""
    folder = tmp_path_factory.mktemp("training")
    train, val = read_images(write_squares(folder / "squares", 40), None, 0.2, 0)
    recipe = Recipe(STEPS, learning_rate=4e-3)
    plan = Plan(
        Shape(64, 64, channels=8, depths=(0, 0, 0, 0)),
        recipe,
        Augmentation(1.1, 0.05),
        8,
        train,
        val,
    )
    draw_without_a_seed()
    seen: list[int] = []
    result = fit(plan, folder / "state", seen.append)
    card = package(
        plan,
        result,
        "squares",
        "squares",
        folder / "model",
        "1.0",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    return plan, result, card, folder / "model", seen


def test_training_learns_what_it_was_shown(trained):
    """Squares that it has not seen are found, and each by its colour."""
    _, result, _, _, _ = trained

    assert result.evaluation.map_50 > 0.9


def test_images_are_held_out_where_there_is_no_val(trained):
    """A fifth, which is not trained on."""
    plan, *_ = trained

    assert (len(plan.train), len(plan.val)) == (32, 8)
    assert not {image.path for image in plan.train.images} & {
        image.path for image in plan.val.images
    }


def test_progress_counts_every_step(trained):
    """Told first where it starts, then each step."""
    *_, seen = trained

    assert seen == list(range(STEPS + 1))


def test_training_leaves_nothing_behind(trained):
    """A network that is opened after it in the same process needs no seed."""
    draw_without_a_seed()


def test_model_folder_is_whole(trained):
    """Network, labels and card; the network can be opened and answers by name."""
    _, result, card, folder, _ = trained

    network = open_keras().models.load_model(folder / "model.keras", compile=False)
    written = json.loads((folder / "card.json").read_text())

    assert set(network.output) == {"scores", "distances"}
    assert (folder / "labels.txt").read_text() == "red\nblue\n"
    assert written["map_50"] == card.map_50 == result.evaluation.map_50
    assert written["weights"] == network.count_params()
    assert [noted.step for noted in result.history.precisions] == [10 * k for k in range(1, 11)]


def test_report_shows_curves_and_pictures(trained):
    """One file that asks nobody for anything."""
    plan, result, card, folder, _ = trained

    write_report(folder / "report.html", plan, result, card)

    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "data:image/jpeg;base64," in page
    false_alarms = sum(len(each.false) for each in compared_images(plan, result, card))
    assert f"with {false_alarms} false alarms" in page
    assert "http" not in page.replace("http-equiv", "")


def test_label_with_few_objects_has_no_threshold(trained):
    """Eight images say little: a device would take its usual one, and the page says so."""
    plan, result, card, folder, _ = trained

    assert card.thresholds == {}
    write_report(folder / "report.html", plan, result, card)
    assert (folder / "report.html").read_text().count("too few objects</td>") == 2


def test_interrupted_report_does_not_stand_in_the_way(tmp_path):
    """What a killed run leaves is its own."""
    (tmp_path / "report.partial").write_text("<html>")
    (tmp_path / ".partial").mkdir()

    with held_output(tmp_path):
        pass


def test_two_trainings_do_not_write_into_one_folder(tmp_path):
    """The second is told."""
    with (
        held_output(tmp_path / "model"),
        pytest.raises(ModelFileError, match=r"writes its model into .*model at the moment"),
        held_output(tmp_path / "model"),
    ):
        pass


def test_ignored_objects_are_neither_missed_nor_false():
    """Difficult ones and crowds count for nothing."""
    boxes = np.array([[0, 0, 20, 20], [30, 0, 50, 20], [0, 30, 20, 50]], np.float32)
    ignored = np.array([False, True, True])
    image = LabelledImage(Path("a.png"), 64, 64, boxes, np.zeros(3, np.int64), ignored)
    found = [Detection("red", 0, 0.9, Box(*box)) for box in boxes[:2].tolist()]

    compared = compare_image(image, ["red"], found)

    assert [each.box.x0 for each in compared.hits] == [0]
    assert (compared.false, compared.missed) == ((), ())


def test_folder_with_other_things_is_not_touched(tmp_path):
    """A wrong --output loses nothing."""
    (tmp_path / "thesis.txt").write_text("important")

    with pytest.raises(ModelFileError, match="other things"):
        check_output(tmp_path)


def test_single_image_cannot_be_split(tmp_path):
    """There is nothing to validate with."""
    with pytest.raises(DatasetError, match="two or more"):
        read_images(write_squares(tmp_path / "one", 1), None, 0.2, 0)
