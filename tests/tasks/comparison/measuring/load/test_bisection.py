"""The highest rate within a bound, on servers whose highest rate is known."""

import numpy as np
import pytest

from tasks.comparison.measuring.load.bisection import STEPS, highest_rate, p99_ms
from tasks.comparison.measuring.load.loadgen import LoadSpec, Recorded
from tasks.comparison.measuring.load.trace import Trace


def recorded(per_s, latency_s, faults=0):
    latency = np.broadcast_to(latency_s, 1_000).astype(float)
    due = np.arange(1_000) / per_s
    trace = Trace(due, latency, np.arange(1_000), latency)
    return Recorded(LoadSpec("Server", 1, per_s=per_s), trace, ("no answer",) * faults)


def server(most_per_s):
    """Answers in 1 ms up to a rate, and in a second above it."""
    return lambda per_s, counts: recorded(per_s, 1e-3 if per_s <= most_per_s else 1.0)


@pytest.mark.parametrize("most", [120.0, 500.0, 731.0, 990.0])
def test_highest_rate_is_found_to_the_last_step(most):
    """Between what the server can do and one step of the bisection, or of going back, below."""
    found = highest_rate(server(most), ceiling=1_000, bound_ms=10)
    assert found is not None
    assert most - 1_000 / 2**STEPS <= found.rate.per_s <= most * 1.01
    assert found.rate.p99_ms == pytest.approx(1)
    assert found.rate.queries == 1_000


def test_rate_that_fails_in_the_longer_run_is_lowered():
    """Luck in a short probe is no highest rate."""
    found = highest_rate(
        lambda per_s, counts: server(400 if counts else 500)(per_s, counts), 1_000, 10
    )
    assert found is not None
    assert 350 < found.rate.per_s <= 404


def test_server_that_keeps_the_bound_at_no_rate_has_none():
    assert highest_rate(server(0), 1_000, 10) is None


def test_unanswered_queries_count_as_slower_than_all():
    """A server that refuses what it cannot answer in time does not keep the bound by that."""
    assert p99_ms(recorded(100, 1e-3, faults=10)) == pytest.approx(1)
    assert p99_ms(recorded(100, 1e-3, faults=11)) == float("inf")
    latencies = np.full(1_000, 1e-3)
    latencies[:5] = 1.0
    assert p99_ms(recorded(100, latencies, faults=5)) == pytest.approx(1)
    assert p99_ms(recorded(100, latencies, faults=6)) == pytest.approx(1_000)
