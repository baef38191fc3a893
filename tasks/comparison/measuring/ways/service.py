"""A model measured as a service: asked over HTTP as BentoML serves it."""

import json
from collections.abc import Sequence

import numpy as np

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Freshness, Load, Way, WayMeasured
from tasks.comparison.measuring.doors.server import Server, serving
from tasks.comparison.measuring.doors.subject import PARITY_ROWS, Scores, Subject
from tasks.comparison.measuring.energy import EnergyCounters, read_energy
from tasks.comparison.measuring.figures import load_figures
from tasks.comparison.measuring.load.bisection import Found, highest_rate
from tasks.comparison.measuring.load.http_client import Many, OneByOne, request_bytes
from tasks.comparison.measuring.load.loadgen import LoadSpec, Recorded, Sample, run_load
from tasks.comparison.measuring.plan import Plan
from tasks.comparison.measuring.process_tree import Usage, watched
from tasks.comparison.measuring.ways.night import Measured

CONNECTIONS = 32  # at once, as many as the panel's benchmark asks from
MOST_QUERIES = 60_000  # of a load: each leaves a kilobyte in the generator's trace
MOST_WAITING = 60  # connections of the Server scenario: what a worker takes in hand


class _Door:
    """The service that is up, with a request for each row."""

    def __init__(self, subject: Subject, server: Server, bound_ms: float, seed: int) -> None:
        self.subject, self.server, self._bound_ms, self._seed = subject, server, bound_ms, seed
        self._requests = [
            request_bytes(server.address, subject.path, subject.body(row))
            for row in range(subject.rows)
        ]

    def scores(self) -> Scores:
        """Of the first rows. Raises: MeasuringError: one got none."""
        scores = np.full(PARITY_ROWS, np.nan)

        def keep(row: int, body: bytes) -> str | None:
            try:
                scores[row] = self.subject.score(json.loads(body))
            except (ValueError, KeyError, TypeError) as error:
                return f"no score in the answer: {error!r}"
            return None

        with OneByOne(self.server.address, self._requests, keep) as client:
            client.ask([Sample(row, row) for row in range(PARITY_ROWS)], lambda ids: None)
        if client.faults:
            raise MeasuringError(client.faults[0])
        return scores

    def single(self, seconds: float, expected_s: float) -> tuple[Recorded, float]:
        """SingleStream, and the bytes of a request with its answer."""
        spec = LoadSpec(
            scenario="SingleStream",
            rows=self.subject.rows,
            seconds=seconds,
            seed=self._seed,
            expected_s=max(expected_s, seconds / MOST_QUERIES),
        )
        with OneByOne(self.server.address, self._requests) as client:
            return run_load(spec, client), client.counted.per_answer

    def full(self, samples: int) -> tuple[Recorded, Usage]:
        """All rows at once, over a number of connections, and what the service used for them."""
        spec = LoadSpec("Offline", self.subject.rows, samples=samples, seed=self._seed)
        client = Many(self.server.address, self._requests, CONNECTIONS)
        with client, watched(self.server.pid) as usage:
            return run_load(spec, client), usage

    def at_rate(self, per_s: float, seconds: float) -> Recorded:
        """Poisson arrivals."""
        spec = LoadSpec(
            scenario="Server",
            rows=self.subject.rows,
            seconds=min(seconds, MOST_QUERIES / per_s),
            per_s=per_s,
            bound_ms=self._bound_ms,
            seed=self._seed,
        )
        with Many(self.server.address, self._requests, MOST_WAITING) as client:
            return run_load(spec, client)


def measure_service(subject: Subject, plan: Plan, bound_ms: float, seed: int) -> Measured:
    """Start the service, ask it in all scenarios, and end it.

    Raises: MeasuringError: it did not start, or gave no right answers.
    """
    body = subject.body(0)

    def answers(address: tuple[str, int]) -> bool:
        with OneByOne(address, [request_bytes(address, subject.path, body)]) as client:
            client.ask([Sample(0, 0)], lambda ids: None)
            return not client.faults

    with serving(subject.service, subject.home, answers, subject.environment()) as server:
        door = _Door(subject, server, bound_ms, seed)
        scores = door.scores()  # they warm it up as well
        quick, _ = door.full(PARITY_ROWS)
        samples = max(PARITY_ROWS, plan.samples(quick.samples_per_s, plan.full_s))
        before = read_energy()
        full, usage = door.full(samples)
        energy = _energy_per_million(before, samples)
        single, bytes_per_answer = door.single(plan.single_s, 0.5 / full.samples_per_s)
        found = highest_rate(
            lambda per_s, counts: door.at_rate(per_s, plan.confirm_s if counts else plan.probe_s),
            full.samples_per_s,
            bound_ms,
        )
    loads = [load_figures(recorded) for recorded in (full, single)]
    if found is not None:
        loads.append(load_figures(found.recorded))
    way = WayMeasured(
        way=Way.SERVICE,
        door=subject.told.doors[Way.SERVICE],
        loads=tuple(loads),
        rows_per_s=full.samples_per_s,
        highest_rate=found.rate if found else None,
        freshness=_freshness(loads),
        cpu_s_per_million=usage.cpu_s / samples * 1e6,
        peak_memory_mib=usage.peak_mib,
        start_s=server.start_s,
        network_bytes_per_answer=bytes_per_answer,
        without_network=subject.told.without_network[Way.SERVICE],
        energy_j_per_million=energy,
        notes=_notes(subject, found, bound_ms, energy),
    )
    return Measured(way, scores)


def _freshness(loads: Sequence[Load]) -> Freshness:
    """The answer's own time: nothing waits for a schedule."""
    latencies = [load.latency for load in loads if load.latency is not None]
    return Freshness(
        typical_s=latencies[0].p50_ms / 1e3,
        worst_s=latencies[-1].p99_ms / 1e3,
        counted="one answer: half of them without others beside it, and 99 % at the highest rate",
    )


def _energy_per_million(before: EnergyCounters | str, samples: int) -> float | None:
    after = read_energy()
    if isinstance(before, EnergyCounters) and isinstance(after, EnergyCounters):
        return before.joules_until(after) / samples * 1e6
    return None


def _notes(
    subject: Subject, found: Found | None, bound_ms: float, energy: float | None
) -> tuple[str, ...]:
    notes = [
        *subject.told.notes.get(Way.SERVICE, ()),
        f"rows a second from {CONNECTIONS} connections without a pause; client and service share"
        " the machine",
    ]
    if found is None:
        notes.append(f"at no rate did 99 % of the answers come within {bound_ms:g} ms")
    if energy is None:
        notes.append(str(read_energy()))
    return tuple(notes)
