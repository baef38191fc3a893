"""Promises of the measures that several reports rest on."""

import math

import numpy as np
import pytest

from services.modelling.statistics import (
    population_stability_index,
    psi_by_chance,
    psi_verdict,
    wilson_interval,
)


def test_psi_of_equal_shares_is_zero():
    """Whatever the number of rows."""
    assert population_stability_index([0.1, 0.2, 0.7], [100, 200, 700]) == pytest.approx(0)


@pytest.mark.parametrize("expected", [[50, 50], [0.5, 0.5]])
def test_psi_has_the_value_worked_out_by_hand(expected):
    """Two bins, 50:50 against 60:40: 0.1 ln 1.2 - 0.1 ln 0.8; counts or shares are expected."""
    value = 0.1 * math.log(1.2) - 0.1 * math.log(0.8)
    assert population_stability_index(expected, [600, 400]) == pytest.approx(value)
    assert population_stability_index(expected, [600, 400]) == pytest.approx(0.0405465, abs=1e-6)


def test_psi_counts_an_empty_bin_as_one_in_ten_thousand():
    """On either side; the index stays a number."""
    found = population_stability_index([0.5, 0.5], [1_000, 0])
    expected = (1 - 0.5) * math.log(1 / 0.5) + (1e-4 - 0.5) * math.log(1e-4 / 0.5)
    assert found == pytest.approx(expected)
    assert math.isfinite(population_stability_index([1.0, 0.0], [0, 10]))


def test_psi_is_symmetric_and_finite_with_empty_bins():
    """An empty bin counts as 0.0001."""
    there = population_stability_index([100, 0], [0, 100])
    assert there == pytest.approx(population_stability_index([0, 100], [100, 0]))
    assert 0 < there < 20


@pytest.mark.parametrize(("expected", "counts"), [([0, 0], [1, 1]), ([0.5, 0.5], [0, 0])])
def test_psi_refuses_no_rows(expected, counts):
    with pytest.raises(ValueError, match="without rows"):
        population_stability_index(expected, counts)


def test_psi_refuses_other_bins():
    with pytest.raises(ValueError, match="bins"):
        population_stability_index([0.5, 0.5], [1, 1, 1])


def test_verdict_forgives_what_chance_does_to_few_rows():
    """The same index is large over many rows and nothing over twenty."""
    assert psi_verdict(0.3, psi_by_chance(10, 1 / 10_000)) == "large change"
    assert psi_verdict(0.3, psi_by_chance(10, 1 / 20)) == "stable"
    assert psi_verdict(0.2, psi_by_chance(10, 1 / 10_000)) == "some change"
    assert psi_by_chance(1, 1 / 20) == 0


@pytest.mark.parametrize("bins", [5, 10, 20])
def test_chance_exceeds_the_index_once_in_a_thousand(bins):
    """Samples of equally filled bins, many times."""
    draws, rows = 20_000, 5_000
    rng = np.random.default_rng(bins)
    shares = rng.multinomial(rows, [1 / bins] * bins, draws) / rows
    found = ((shares - 1 / bins) * np.log(shares * bins)).sum(axis=1)
    assert 0.0003 < (found > psi_by_chance(bins, 1 / rows)).mean() < 0.002


def test_interval_of_a_share_has_the_known_value():
    """10 of 20, after Wilson; and it stays within 0 and 1 where a normal one does not."""
    assert wilson_interval(0.5, 20) == pytest.approx((0.29929, 0.70071), abs=1e-4)
    low, high = wilson_interval(0.0, 10)
    assert low == 0 and high == pytest.approx(0.27754, abs=1e-4)
    assert wilson_interval(1.0, 10) == pytest.approx((1 - high, 1.0))
