"""How many queries a claim rests on, by the numbers that the rules print."""

import numpy as np
import pytest

from tasks.comparison.measuring.load.early_stopping import (
    allowed_misses,
    claim,
    claimed_latency_s,
    short_of_rules,
)


@pytest.mark.parametrize(
    ("queries", "percentile", "misses"),
    [
        *((458, 0.99, None), (459, 0.99, 0), (661, 0.99, 0), (662, 0.99, 1)),
        *((1_307, 0.99, 5), (1_306, 0.99, 4), (4_603, 0.999, 0), (4_602, 0.999, None)),
        *((43, 0.9, None), (44, 0.9, 0), (64, 0.9, 1)),
    ],
)
def test_misses_are_those_of_the_rules(queries, percentile, misses):
    """For a 99 % bound 459 queries without a miss, 662 with one, 1,307 with five."""
    assert allowed_misses(queries, percentile) == misses


def test_claim_is_the_latency_above_the_allowed_misses():
    """Of 662 queries one may lie above the bound that is claimed."""
    latency_s = np.arange(1, 663) / 1e3
    np.random.default_rng(0).shuffle(latency_s)
    assert claimed_latency_s(latency_s, 0.99) == pytest.approx(0.661)
    said = claim("Server", 662, latency_s)
    assert "662 queries" in said and "99% of them take at most 661 ms" in said


def test_too_few_queries_claim_nothing_and_say_so():
    said = claim("MultiStream", 800, np.full(100, 0.01))
    assert said == "rests on 100 queries: too few to claim a 99th percentile"


def test_what_is_short_of_the_rules_is_said():
    assert short_of_rules("Offline", 30, 5_000, 1) == (
        "5,000 samples, and the rules ask for 24,576",
        "30 s, and the rules ask for 600 s",
    )
    assert short_of_rules("Server", 8, 100, 100)[-1].startswith("100 queries are too few")
    assert short_of_rules("Server", 601, 10_000, 10_000) == ()
    assert short_of_rules("Offline", 601, 24_576, 1) == ()
