"""What a model needs in each way: as it was measured, or by rules of thumb where it was not."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.comparison.measurement import ModelCompared, Way, WayMeasured

# Rules of thumb, for a model of which only the CPU time of an answer is known.
HTTP_S = 0.001  # of CPU time around an answer: HTTP, checks and the log
SLOWER_DEVICE = 4  # a small board's core, beside a server's
TAIL = 3  # the slowest of a hundred answers, beside the CPU time of one
CORES = 2  # of a replica
MEMORY_GIB = 1.0  # of a replica, or of a night


@dataclass(frozen=True)
class WayFigures:
    """One model in one way.

    cpu_s: CPU seconds of an answer; per_s: answers a second, by a night in a row, by one replica or
    device within its bound; p99_s: the slowest of a hundred answers, None for a night; cores,
    memory_gib: of a night, replica or device; start_s: until the first answer; bytes_per_answer:
    over the network, both directions.
    """

    cpu_s: float
    per_s: float
    p99_s: float | None
    cores: float
    memory_gib: float
    start_s: float
    bytes_per_answer: float


@dataclass(frozen=True)
class Figures:
    """One model in all three ways; `measured` says in words where the figures are from."""

    ways: Mapping[Way, WayFigures]
    measured: bool
    origin: str


def assumed(compute_s: float, bytes_per_request: float) -> Figures:
    """By rules of thumb, from the CPU time of an answer and the bytes of a request."""
    served, slow = compute_s + HTTP_S, compute_s * SLOWER_DEVICE
    return Figures(
        {
            Way.NIGHT: WayFigures(compute_s, CORES / compute_s, None, CORES, MEMORY_GIB, 20.0, 0.0),
            Way.SERVICE: WayFigures(
                served, CORES / served, TAIL * served, CORES, MEMORY_GIB, 10.0, bytes_per_request
            ),
            Way.DEVICE: WayFigures(slow, 1 / slow, TAIL * slow, 1, MEMORY_GIB / 4, 5.0, 0.0),
        },
        measured=False,
        origin="rules of thumb",
    )


def of_model(model: ModelCompared, cores: float, origin: str) -> Figures | None:
    """As measured; None if the model was not measured in all three ways.

    cores: of the machine that measured. origin: where the measurements lie, in words.
    """
    if not all(model.way(way) for way in Way):
        return None
    found = {measured.way: _figures(measured, cores) for measured in model.ways}
    return Figures(found, measured=True, origin=origin)


def _figures(measured: WayMeasured, cores: float) -> WayFigures:
    return WayFigures(
        cpu_s=measured.cpu_s_per_million / 1e6,
        per_s=answers_per_s(measured),
        p99_s=_slowest_s(measured),
        cores=1 if measured.way is Way.DEVICE else cores,
        memory_gib=measured.peak_memory_mib / 1024,
        start_s=measured.start_s,
        bytes_per_answer=measured.network_bytes_per_answer,
    )


def answers_per_s(measured: WayMeasured) -> float:
    """The highest rate within the bound.

    A service that kept it at no rate is reckoned by one request after the other; what has no bound
    by its rows a second.
    """
    rate, single = measured.highest_rate, measured.load("SingleStream")
    if rate is not None and rate.per_s > 0:
        return rate.per_s
    if measured.way is Way.SERVICE and single is not None and single.samples_per_s > 0:
        return single.samples_per_s
    return measured.rows_per_s


def _slowest_s(measured: WayMeasured) -> float | None:
    """The 99th percentile of one answer after the other; of a night there is none."""
    load = measured.load("SingleStream") or measured.load("Server")
    if measured.way is Way.NIGHT or load is None or load.latency is None:
        return None
    return load.latency.p99_ms / 1e3
