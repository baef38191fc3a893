"""What is measured of a model before it is published: plain values, of which the gate decides."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """How far two models find the same things.

    Objects near the threshold do not count: which side of it they fall on is chance.
    """

    matched: int
    compared: int
    largest_score_difference: float = 0.0  # of matched ones
    smallest_iou: float = 1.0  # of matched ones

    @property
    def share(self) -> float:
        """1 where there was nothing to find."""
        return self.matched / self.compared if self.compared else 1.0


@dataclass(frozen=True)
class Parity:
    """A converted model beside the network it was made of, on the golden pictures."""

    largest_difference: float  # of outputs, as share of the largest value there
    agreement: Agreement


@dataclass(frozen=True)
class Timing:
    """A model in a process of its own, which loads what a device loads.

    rounds_ms: the median of each round, in which the variants took turns; p50_ms is theirs.
    """

    runtime: str  # name and version
    threads: int
    p50_ms: float  # from frame to detections
    p99_ms: float
    infer_p50_ms: float  # of that, the interpreter alone
    peak_bytes: int  # of the process's memory, with Python and OpenCV
    rounds_ms: tuple[float, ...] = ()

    @property
    def spread_ms(self) -> tuple[float, float]:
        """The fastest and the slowest round."""
        rounds = self.rounds_ms or (self.p50_ms,)
        return min(rounds), max(rounds)


@dataclass(frozen=True)
class Accuracy:
    """On labelled images."""

    map_50: float
    map_50_95: float
    per_label: Mapping[str, float]  # label -> AP at an overlap of 0.5
    images: int
    objects: int
    misnamed: tuple[str, ...] = ()  # what it found and called otherwise, most often first


@dataclass(frozen=True)
class Metrics:
    """All metrics of one variant. None: not measured, for want of something to compare with."""

    variant: str
    bytes: int
    accuracy: Accuracy | None
    source_accuracy: Accuracy | None
    parity: Parity | None
    constant: str | None  # what it answers to everything, if it does
    found: int  # detections on the golden pictures
    golden: int  # golden pictures
    timings: tuple[Timing, ...]
    self_test: str | None = None  # why the device's own test fails, if it does

    @property
    def timing(self) -> Timing:
        """The one that counts: the first runtime, one thread."""
        return min(self.timings, key=lambda timing: timing.threads)

    @property
    def map_loss(self) -> float | None:
        """Share of the source's mAP@0.5 that is lost; below 0 where it is gained."""
        return self._loss("map_50")

    @property
    def map_50_95_loss(self) -> float | None:
        """The same of mAP@[.5:.95]."""
        return self._loss("map_50_95")

    def _loss(self, name: str) -> float | None:
        if self.accuracy is None or self.source_accuracy is None:
            return None
        before: float = getattr(self.source_accuracy, name)
        after: float = getattr(self.accuracy, name)
        return (before - after) / before if before > 0 else 0.0
