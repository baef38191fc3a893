"""Figures of a load, from what the generator recorded of it."""

import numpy as np

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Latency, Load
from tasks.comparison.measuring.load.early_stopping import claim, short_of_rules
from tasks.comparison.measuring.load.loadgen import Recorded
from tasks.comparison.measuring.load.trace import Floats

QUANTILES = 200  # parts of the distribution that a report draws


def load_figures(recorded: Recorded) -> Load:
    """A load as it is reported.

    Raises: MeasuringError: more than one query of a hundred got no right answer.
    """
    spec, trace = recorded.spec, recorded.trace
    queries, samples = len(trace.due_s), len(trace.rows)
    if 100 * len(recorded.faults) > samples:
        count = f"{len(recorded.faults):,} of {samples:,} rows"
        raise MeasuringError(f"{count} got no right answer: {recorded.faults[0]}")
    return Load(
        scenario=spec.scenario,
        queries=queries,
        samples_per_query=recorded.samples_per_query,
        seconds=trace.seconds,
        samples_per_s=recorded.samples_per_s,
        latency=None if spec.scenario == "Offline" else latency_figures(trace.latency_s),
        scheduled_per_s=spec.per_s if spec.scenario == "Server" else None,
        claim=claim(spec.scenario, samples, trace.latency_s),
        short_of_rules=short_of_rules(spec.scenario, trace.seconds, samples, queries),
    )


def latency_figures(latency_s: Floats) -> Latency:
    """Percentiles: each the smallest latency within which so many queries were answered."""
    in_ms = 1e3 * latency_s
    p50, p90, p99 = np.percentile(in_ms, (50, 90, 99), method="inverted_cdf").tolist()
    shares = np.linspace(0, 1, QUANTILES + 1)
    quantiles = np.quantile(in_ms, shares, method="inverted_cdf").tolist()
    return Latency(p50_ms=p50, p90_ms=p90, p99_ms=p99, quantiles_ms=tuple(quantiles))
