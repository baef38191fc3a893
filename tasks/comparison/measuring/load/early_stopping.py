"""How far the figures of a load carry: MLPerf's early stopping (inference_rules.adoc).

A percentile that was seen on few queries may be luck. At a confidence of 99 %, a percentile p is
claimed as the latency above which as few queries lie as would by chance, were p not kept, in less
than one run of a hundred: of 459 queries none may lie above the 99th, of 662 one.
"""

import math

import numpy as np

from services.reporting.figures import counted
from tasks.comparison.measurement import Scenario
from tasks.comparison.measuring.load.trace import Floats

CONFIDENCE = 0.99
CLAIMED = {"Server": 0.99, "SingleStream": 0.90, "MultiStream": 0.99}  # percentiles, by the rules
RULES_S, RULES_SAMPLES = 600.0, 24_576


def allowed_misses(queries: int, percentile: float, confidence: float = CONFIDENCE) -> int | None:
    """The most queries that may lie above a bound which is claimed to keep a percentile; None if
    there are too few queries for any claim.

    percentile: from 0 to 1.
    """
    miss, left = math.log1p(-percentile), math.log(percentile)
    total = 0.0
    for misses in range(queries + 1):
        ways = math.lgamma(queries + 1) - math.lgamma(misses + 1)
        ways -= math.lgamma(queries - misses + 1)
        total += math.exp(ways + misses * miss + (queries - misses) * left)
        if total > 1 - confidence:
            return misses - 1 if misses else None
    return queries


def claimed_latency_s(latency_s: Floats, percentile: float) -> float | None:
    """The latency that a percentile is claimed to keep; None if there are too few queries."""
    misses = allowed_misses(len(latency_s), percentile)
    return None if misses is None else float(np.sort(latency_s)[-1 - misses])


def claim(scenario: Scenario, samples: int, latency_s: Floats) -> str:
    """What a load rests on, and what it lets one claim, in words."""
    if scenario == "Offline":
        return f"rests on {counted(samples, 'row')}"
    percentile, count = CLAIMED[scenario], counted(len(latency_s), "query", "queries")
    claimed = claimed_latency_s(latency_s, percentile)
    if claimed is None:
        return f"rests on {count}: too few to claim a {100 * percentile:.0f}th percentile"
    return (
        f"rests on {count}: with {CONFIDENCE:.0%} confidence {percentile:.0%} of them take at most"
        f" {1e3 * claimed:.3g} ms"
    )


def short_of_rules(
    scenario: Scenario, seconds: float, samples: int, queries: int
) -> tuple[str, ...]:
    """What the rules ask and a load lacks, in words; empty where it lacks nothing."""
    lacks = []
    if scenario == "Offline" and samples < RULES_SAMPLES:
        lacks.append(f"{samples:,} samples, and the rules ask for {RULES_SAMPLES:,}")
    if seconds < RULES_S:
        lacks.append(f"{seconds:.0f} s, and the rules ask for {RULES_S:.0f} s")
    if scenario in CLAIMED and allowed_misses(queries, CLAIMED[scenario]) is None:
        lacks.append(f"{queries:,} queries are too few for early stopping")
    return tuple(lacks)
