"""What is done with TensorFlow leaves the process as it was."""

import random

import numpy as np
import pytest

from edge.release.conversion.framework import open_tensorflow, repeatable
from edge.release.datasets.annotations import read_dataset
from edge.release.training.augmentation import Augmentation
from edge.release.training.batches import Batches
from edge.release.training.network import Shape
from edge.release.training.trainer import Recipe, Trainer
from tests.edge.release.training.labelled import write_squares


def draw_without_a_seed() -> float:
    """As a network of somebody else is built: in a graph of its own, which knows no seed."""
    tensorflow = open_tensorflow()
    first = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), first.Session() as session:
        return float(session.run(first.random_uniform(())))


def test_block_can_be_repeated():
    """The same numbers from each source of chance."""
    tensorflow = open_tensorflow()
    drawn = []
    for _ in range(2):
        with repeatable(7):
            drawn.append((random.random(), np.random.rand(), float(tensorflow.random.uniform(()))))

    assert drawn[0] == drawn[1]


def test_process_is_as_before_after_a_block_that_fails():
    """Whoever has no seed may draw again, and goes on where it was."""
    random.seed(1)
    np.random.seed(1)

    with pytest.raises(ZeroDivisionError), repeatable(7):
        random.random() / 0

    assert random.random() == random.Random(1).random()
    assert np.random.rand() == np.random.RandomState(1).rand()
    assert draw_without_a_seed() != draw_without_a_seed()


def test_block_within_a_block_ends_nothing_of_the_outer():
    """Its operations stay repeatable."""
    with repeatable(1):
        with repeatable(2):
            pass
        with pytest.raises(Exception, match="seed"):
            draw_without_a_seed()


def test_training_leaves_nothing_behind(tmp_path):
    """A network that is opened after it in the same process needs no seed."""
    squares = read_dataset(write_squares(tmp_path / "squares", 4))
    batches = Batches(squares, 64, 64, 4, Augmentation(), 0)

    trainer = Trainer(Shape(64, 64, channels=4), Recipe(1), batches, tmp_path / "checkpoint.npz")
    draw_without_a_seed()
    trainer.run(1, lambda *_: None)

    draw_without_a_seed()
