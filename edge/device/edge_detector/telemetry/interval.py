"""What happened in one interval of a run, added up frame by frame, and its record in the end.

Adding a frame takes a few microseconds and no memory that grows with the number of frames:
durations are counted in bins 2 % wide, and percentiles are right to 1 %.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_detector.contract.telemetry import STATES, State

STAGES = ("capture", "prepare", "infer", "read", "draw", "total")
_BIN = math.log(1.02)
_LEAST_MS = 1e-3


@dataclass(frozen=True)
class Sample:
    """One frame: how long each stage took, and the labels of what was detected."""

    stages_ms: Mapping[str, float]
    labels: Sequence[str] = ()


@dataclass
class Interval:
    """Counts since `began`, a monotonic time in seconds."""

    began: float
    state: State = "ok"  # the worst since then
    frames: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    durations: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        """Count one frame."""
        self.frames += 1
        self.labels.update(sample.labels)
        for stage, taken_ms in sample.stages_ms.items():
            if stage in STAGES:
                # The comparison also turns what is not a number into the least.
                taken_ms = taken_ms if taken_ms > _LEAST_MS else _LEAST_MS
                self.durations.setdefault(stage, Counter())[int(math.log(taken_ms) / _BIN)] += 1

    def worsen(self, state: State) -> None:
        """Remember a state, unless a worse one was there."""
        self.state = max(self.state, state, key=STATES.index)

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Median and 99th percentile of each stage that was measured."""
        return {
            stage: {
                "p50": _percentile(self.durations[stage], 0.5),
                "p99": _percentile(self.durations[stage], 0.99),
            }
            for stage in STAGES
            if stage in self.durations
        }


def _percentile(bins: Counter[int], share: float) -> float:
    wanted = math.ceil(share * bins.total())
    seen = 0
    for place in sorted(bins):
        seen += bins[place]
        if seen >= wanted:
            return round(math.exp((place + 0.5) * _BIN), 3)
    return 0.0
