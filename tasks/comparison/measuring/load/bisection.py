"""The highest rate of Poisson arrivals whose 99th percentile stays within a bound."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tasks.comparison.measurement import HighestRate
from tasks.comparison.measuring.load.loadgen import Recorded

STEPS = 5  # halvings of what lies between a rate that keeps the bound and one that does not
BACK = (1.0, 0.8, 0.5, 0.2)  # of the rate that was found, until one is kept in a longer run

Probe = Callable[[float, bool], Recorded]  # a rate, and whether it is the longer run that counts


@dataclass(frozen=True)
class Found:
    """The highest rate, and the run in which it was kept."""

    rate: HighestRate
    recorded: Recorded


def p99_ms(recorded: Recorded) -> float:
    """The 99th percentile; infinite if more than one query of a hundred got no right answer."""
    latency = np.sort(recorded.trace.latency_s)
    unanswered = len(recorded.faults)
    place = int(np.ceil(0.99 * len(latency))) - 1 + unanswered
    return 1e3 * float(latency[place]) if place < len(latency) else float("inf")


def keeps(recorded: Recorded, bound_ms: float) -> bool:
    """Whether a run's 99th percentile lies within the bound."""
    return p99_ms(recorded) <= bound_ms


def highest_rate(probe: Probe, ceiling: float, bound_ms: float) -> Found | None:
    """Bisect between nothing and a ceiling, and confirm in a longer run; None if no rate keeps it.

    ceiling: answers per second that the door gives without a pause: no rate above it can last.
    probe: asks at a rate. The rate that counts is the one at which queries did arrive.
    """
    low, high = 0.0, ceiling
    for _ in range(STEPS):
        rate = (low + high) / 2
        if keeps(probe(rate, False), bound_ms):
            low = rate
        else:
            high = rate
    for share in BACK:
        recorded = probe(share * (low or high), True)
        if keeps(recorded, bound_ms):
            return Found(_figure(recorded, bound_ms), recorded)
    return None


def _figure(recorded: Recorded, bound_ms: float) -> HighestRate:
    due = recorded.trace.due_s
    return HighestRate(
        per_s=len(due) / float(due[-1]) if len(due) > 1 else 0.0,
        bound_ms=bound_ms,
        p99_ms=p99_ms(recorded),
        queries=len(due),
    )
