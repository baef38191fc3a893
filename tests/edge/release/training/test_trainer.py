"""Training: repeatable, interruptible, and it learns."""

import numpy as np
import pytest

from edge.release.datasets.annotations import read_dataset
from edge.release.errors import ModelFileError
from edge.release.training.augmentation import Augmentation
from edge.release.training.batches import Batches
from edge.release.training.network import Shape
from edge.release.training.trainer import Recipe, Trainer
from services.modelling.keras import open_tensorflow, repeatable
from tests.edge.release.training.labelled import write_squares

pytestmark = pytest.mark.slow

SHAPE = Shape(64, 64, channels=2, depths=(0, 0, 0, 0))


@pytest.fixture(autouse=True)
def eager():
    """Few steps are faster without compiling them; test_training_run.py compiles."""
    config = open_tensorflow().config
    config.run_functions_eagerly(True)
    yield
    config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return read_dataset(write_squares(tmp_path_factory.mktemp("data") / "squares", 8))


def trainer(squares, checkpoint, steps=4, seed=0):
    batches = Batches(squares, 64, 64, 4, Augmentation(), seed)
    return Trainer(SHAPE, Recipe(steps, seed=seed), batches, checkpoint)


def weights(of):
    return [variable.numpy() for variable in of.network.variables]


def ignore(*_):
    pass


def test_interrupted_training_ends_as_one_that_was_not(squares, tmp_path):
    """The checkpoint holds all that matters: weights, their mean, the optimizer, the step."""
    with repeatable(0):
        whole = trainer(squares, tmp_path / "whole.npz")
        whole.run(2, ignore)
        trainer(squares, tmp_path / "parts.npz").run(1, ignore)
        resumed = trainer(squares, tmp_path / "parts.npz")
        assert resumed.step == 1
        resumed.run(2, ignore)

    for one, other in zip(weights(whole), weights(resumed), strict=True):
        assert (one == other).all()


def test_other_seed_gives_other_weights(squares, tmp_path):
    """The seed is used."""
    one, other = (trainer(squares, tmp_path / f"{seed}.npz", seed=seed) for seed in (0, 1))

    assert any((a != b).any() for a, b in zip(weights(one), weights(other), strict=True))


def test_damaged_checkpoint_is_named(squares, tmp_path):
    """Not taken, not deleted: the message says what to do."""
    (tmp_path / "checkpoint.npz").write_bytes(b"no checkpoint")

    with pytest.raises(ModelFileError, match="delete it to start anew"):
        trainer(squares, tmp_path / "checkpoint.npz")


def test_batches_ahead_are_those_of_their_steps(squares):
    """Preparing in a thread changes nothing."""
    batches = Batches(squares, 64, 64, 4, Augmentation(mosaic=0.5), 7)

    with batches.ahead(range(3, 6), mosaic_until=5) as ahead:
        found = list(ahead)

    for step, batch in zip(range(3, 6), found, strict=True):
        expected = batches.at(step, mosaic=step < 5)
        assert (batch.images == expected.images).all()
        assert (batch.boxes == expected.boxes).all()
        assert (batch.classes == expected.classes).all()


def test_epoch_shows_every_image_once(squares):
    """The order is drawn anew, nothing is left out."""
    batches = Batches(squares, 64, 64, 4, Augmentation(), 0)
    orders = [
        np.random.default_rng([0, 0, epoch]).permutation(len(squares.images)).tolist()
        for epoch in range(2)
    ]

    assert batches.steps_per_epoch == 2
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == list(range(8))


def test_error_while_preparing_comes_out_of_the_training(squares, tmp_path):
    """An image that is gone ends the training with its name, and no thread waits for ever."""
    gone = read_dataset(write_squares(tmp_path / "gone", 4))
    for image in gone.images:
        image.path.unlink()
    batches = Batches(gone, 64, 64, 4, Augmentation(), 0)

    with pytest.raises(Exception, match=r"\.png"), batches.ahead(range(3), 0) as ahead:
        list(ahead)
