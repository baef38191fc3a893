"""Augmented pictures keep their boxes where the things are."""

import numpy as np
import pytest

from edge.release.training.augmentation import Augmentation, Sample, augment

HOW = Augmentation(any_orientation=True, hue=0, saturation=0, value=0)


def block(x0, y0, x1, y1, height=120, width=160):
    """A white block on black, and its box."""
    image = np.zeros((height, width, 3), np.uint8)
    image[y0:y1, x0:x1] = 255
    return Sample(image, np.array([[x0, y0, x1, y1]], np.float32), np.array([2]))


def extent(image):
    """The box of what is white; the margin is grey."""
    rows, columns = np.nonzero(image[..., 0] > 185)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("seed", range(40))
def test_box_moves_with_its_pixels(seed):
    """Scaled, shifted, mirrored and turned, the box still surrounds the block to a pixel."""
    moved = augment([block(60, 40, 110, 70)], 96, 128, HOW, np.random.default_rng(seed))

    assert moved.image.shape == (96, 128, 3)
    assert moved.boxes[0] == pytest.approx(extent(moved.image), abs=1.1)
    assert moved.class_ids.tolist() == [2]


@pytest.mark.parametrize("seed", range(10))
def test_mosaic_keeps_boxes_in_their_quarter(seed):
    """All that is white lies in a box, and no box lies outside of the picture."""
    rng = np.random.default_rng(seed)
    samples = [block(50, 30, 100, 80) for _ in range(4)]

    made = augment(samples, 96, 128, HOW, rng)

    covered = np.zeros(made.image.shape[:2], bool)
    for x0, y0, x1, y1 in made.boxes:
        assert 0 <= x0 < x1 <= 128 and 0 <= y0 < y1 <= 96
        covered[int(y0) : round(y1 + 1), int(x0) : round(x1 + 1)] = True
    white = made.image[..., 0] > 185
    # A sliver of less than 30 % of a block at the edge of its quarter has no box.
    assert (white & ~covered).sum() <= 0.3 * 50 * 50 * HOW.scale**2


def test_what_is_cut_away_is_not_labelled():
    """A block of which a third is left at most has no box any more."""
    sample = block(0, 0, 30, 30)
    how = Augmentation(scale=4, shift=0, hue=0, saturation=0, value=0)
    rng = np.random.default_rng(0)

    made = [augment([sample], 96, 128, how, rng) for _ in range(60)]

    for each in made:
        assert len(each.boxes) <= 1
        if not len(each.boxes):
            assert (each.image[..., 0] > 185).mean() < 0.35


def test_same_generator_gives_the_same_picture():
    """A training can be repeated."""
    how = Augmentation(any_orientation=True)
    first, second = (
        augment([block(60, 40, 110, 70)], 96, 128, how, np.random.default_rng(3)) for _ in range(2)
    )

    assert (first.image == second.image).all()
    assert (first.boxes == second.boxes).all()
