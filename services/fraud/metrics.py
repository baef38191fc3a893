"""What Prometheus is told, with buckets that resolve a model which answers in microseconds.

Workers of a server put their values into files of one folder, and any of them answers for all.
prometheus_client is imported when the first `Metrics` is made, for it looks at once whether there
is such a folder.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

# From 50 µs to 10 s; half of the requests take 100 to 500 µs.
# fmt: off
LATENCY_BUCKETS_S = (
    5e-5, 1e-4, 1.5e-4, 2e-4, 3e-4, 4e-4, 5e-4, 7.5e-4, 1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3,
    1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)
# fmt: on
MODEL_BUCKETS_S = (1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2)
LATENCY_HELP = "From the body's last byte to the answer, of requests that were answered"
DIFFERENCE_HELP = "Distance of the shadow's probability from the champion's"
LOG_COUNTERS = {
    "written": "Rows that the database has taken",
    "spilled": "Rows put into a file, for the database did not take them",
    "dropped": "Rows lost: neither the database nor the disk took them",
    "failures": "Attempts to write that failed",
}
PROBABILITY_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.0)
DIFFERENCE_BUCKETS = (1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """Counters of one worker; the server adds them up over all."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: that the server's workers share; None: this process is the only one."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._folder, self._registry = folder, CollectorRegistry()
        counter = partial(Counter, registry=self._registry)
        gauge = partial(Gauge, registry=self._registry)
        histogram = partial(Histogram, registry=self._registry)

        self._latency = histogram(
            "fraud_request_seconds", LATENCY_HELP, ["endpoint"], buckets=LATENCY_BUCKETS_S
        )
        self._answers = counter("fraud_answers_total", "Answers", ["endpoint", "status"])
        self.flagged = counter("fraud_flagged_total", "Transactions that were called fraud")
        self.probability = histogram(
            "fraud_probability", "Probabilities that were answered", buckets=PROBABILITY_BUCKETS
        )
        self.model_time = histogram(
            "fraud_model_seconds", "The network's share of a request", buckets=MODEL_BUCKETS_S
        )
        self.degraded = counter("fraud_degraded_total", "Answers that are degraded", ["reason"])
        self.retries = counter("fraud_retries_total", "Transactions that were asked for again")
        self.shed = counter("fraud_shed_total", "Requests refused for too many in flight")
        self.swaps = counter("fraud_model_swaps_total", "Models taken up")
        self.swap_failures = counter(
            "fraud_model_swap_failures_total", "Models that could not be taken up"
        )
        self.shadow_difference = histogram(
            "fraud_shadow_difference", DIFFERENCE_HELP, buckets=DIFFERENCE_BUCKETS
        )
        self.state_age = gauge(
            "fraud_state_age_seconds", "Age of the last snapshot", multiprocess_mode="livemax"
        )
        self._log_waiting = gauge(
            "fraud_log_waiting",
            "Rows that the database has not taken yet",
            multiprocess_mode="livesum",
        )
        self._log_counters = {
            n: counter(f"fraud_log_{n}_total", t) for n, t in LOG_COUNTERS.items()
        }
        self._logged = dict.fromkeys(LOG_COUNTERS, 0)
        self._observers: dict[str, Callable[[float], None]] = {}
        self._counters: dict[tuple[str, int], Callable[[], None]] = {}

        if folder is not None:
            _reserve(folder)

    def took(self, endpoint: str, seconds: float) -> None:
        """Time a request that was answered; the series is looked up once, which is not free."""
        try:
            self._observers[endpoint](seconds)
        except KeyError:
            self._observers[endpoint] = self._latency.labels(endpoint).observe
            self._observers[endpoint](seconds)

    def answered(self, endpoint: str, status: int) -> None:
        """Count an answer."""
        try:
            self._counters[endpoint, status]()
        except KeyError:
            self._counters[endpoint, status] = self._answers.labels(endpoint, str(status)).inc
            self._counters[endpoint, status]()

    def logged(self, counted: dict[str, int]) -> None:
        """Take over the log's own counts, which only grow."""
        self._log_waiting.set(counted["waiting"])
        for name, counter in self._log_counters.items():
            counter.inc(max(0, counted[name] - self._logged[name]))
            self._logged[name] = counted[name]

    def render(self) -> bytes:
        """What Prometheus reads, of all workers that live; counters of those that ended too."""
        from prometheus_client import CollectorRegistry, generate_latest, multiprocess

        if self._folder is None:
            return generate_latest(self._registry)
        for file in self._folder.glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not psutil.pid_exists(pid):
                multiprocess.mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together, str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _reserve(folder: Path) -> None:
    """Let the files of this process have their blocks, which they are mapped to.

    Without, the first value that falls into a block of its own ends the process once the disk is
    full.
    """
    if hasattr(os, "posix_fallocate"):
        for file in folder.glob(f"*_{os.getpid()}.db"):
            with file.open("r+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, file.stat().st_size)
