"""Figures of a load: percentiles, what they rest on, and no figure where answers are missing."""

import numpy as np
import pytest

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measuring.figures import QUANTILES, latency_figures, load_figures
from tasks.comparison.measuring.load.loadgen import LoadSpec, Recorded
from tasks.comparison.measuring.load.trace import Trace


def recorded(scenario, latency_s, faults=()):
    due, rows = np.arange(len(latency_s)) / 100, np.arange(len(latency_s))
    trace = Trace(due, latency_s, rows, latency_s)
    return Recorded(LoadSpec(scenario, 10, per_s=100.0), trace, faults)


def test_percentiles_are_latencies_that_were_seen():
    found = latency_figures(np.random.default_rng(0).permutation(np.arange(1, 1_001)) / 1e3)
    assert (found.p50_ms, found.p90_ms, found.p99_ms) == pytest.approx((500, 900, 990))
    assert len(found.quantiles_ms) == QUANTILES + 1
    assert found.quantiles_ms[0] == pytest.approx(1)
    assert found.quantiles_ms[-1] == pytest.approx(1_000)
    assert list(found.quantiles_ms) == sorted(found.quantiles_ms)


def test_load_tells_rate_claim_and_what_it_lacks():
    load = load_figures(recorded("Server", np.full(1_000, 0.01)))
    assert load.queries == 1_000
    assert load.seconds == pytest.approx(10.0)
    assert load.samples_per_s == pytest.approx(100)
    assert load.scheduled_per_s == 100
    assert "1,000 queries" in load.claim
    assert load.short_of_rules == ("10 s, and the rules ask for 600 s",)


def test_load_of_wrong_answers_is_none():
    """One of a hundred may go wrong, and its fault is told beyond that."""
    assert load_figures(recorded("SingleStream", np.full(200, 0.01), ("row 1 got 503",) * 2))
    with pytest.raises(MeasuringError, match="3 of 200 rows got no right answer: row 1 got 503"):
        load_figures(recorded("SingleStream", np.full(200, 0.01), ("row 1 got 503",) * 3))
