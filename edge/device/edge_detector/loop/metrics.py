"""The metrics of a run so far: rate, latency, what was seen. Memory does not grow with the run.

One thread records, any thread may ask.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from edge_detector.telemetry.interval import Interval, Sample

RECENT_FRAMES = 240  # that the present rate and latency are taken from
RECENT_S = 5.0


class Metrics:
    """What a run has done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._run = Interval(clock())
        self._ended: float | None = None
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT_FRAMES)  # when, total in ms
        self.failed = 0  # frames without a result

    def start(self) -> None:
        """The first frame is about to be taken."""
        self._run.began = self._clock()

    def record(self, sample: Sample) -> None:
        """A frame is done."""
        with self._lock:
            self._run.add(sample)
            self._recent.append((self._clock(), sample.stages_ms["total"]))

    def end(self) -> None:
        """The last frame is done; what follows does not count."""
        self._ended = self._clock()

    @property
    def frames(self) -> int:
        return self._run.frames

    @property
    def seconds(self) -> float:
        return (self._ended or self._clock()) - self._run.began

    @property
    def rate(self) -> float:
        """Frames per second over the whole run."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Median and 99th percentile of each stage, as `p50` and `p99`."""
        with self._lock:
            return self._run.latency_ms()

    def labels(self) -> dict[str, int]:
        """Detections per label, most first."""
        with self._lock:
            return dict(self._run.labels.most_common())

    def recent(self) -> tuple[float, float | None]:
        """Frames per second, and median from capture to result in ms, of the last seconds."""
        now = self._clock()
        with self._lock:
            recent = [(at, ms) for at, ms in self._recent if now - at <= RECENT_S]
        if not recent:
            return 0.0, None
        totals = sorted(ms for _, ms in recent)
        # To now, not to the last frame: that the rate falls to nothing must be seen.
        span = now - recent[0][0]
        rate = (len(recent) - 1) / span if span > 0 else 0.0
        return rate, totals[len(totals) // 2]
