"""The network's shape."""

import numpy as np
import pytest

from edge.release.training.network import STRIDES, Shape, build_network, grid


def test_network_answers_at_every_point_of_its_grids():
    """Three grids, a logit per class and four distances at each point, none below zero."""
    network = build_network(Shape(64, 96, channels=4), classes=3)

    outputs = network(np.random.default_rng(0).random((2, 64, 96, 3), np.float32))

    points = sum((64 // stride) * (96 // stride) for stride in STRIDES)
    assert outputs["scores"].shape == (2, points, 3)
    assert outputs["distances"].shape == (2, points, 4)
    assert float(np.min(outputs["distances"])) >= 0


def test_grid_lists_points_row_by_row_finest_first():
    """The device counts points in the same order."""
    centres, strides = grid(64, 96)

    assert centres[:2].tolist() == [[4, 4], [12, 4]]
    assert centres[12].tolist() == [4, 12]
    assert centres[-1].tolist() == [80, 48]
    assert strides[0] == 8 and strides[-1] == 32


@pytest.mark.parametrize(("channels", "most"), [(16, 1_000_000), (24, 3_000_000)])
def test_network_stays_small(channels, most):
    """Fits the size that its options promise."""
    assert build_network(Shape(channels=channels), classes=4).count_params() <= most
