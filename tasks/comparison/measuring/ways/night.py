"""A model measured as a night: all rows at once, through the command that scores them.

What starting a night costs is told apart from what its rows cost: two nights of different size
are run, and rate and CPU are those of the rows between them.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Freshness, Way, WayMeasured
from tasks.comparison.measuring.doors.server import end
from tasks.comparison.measuring.doors.subject import PARITY_ROWS, Job, Night, Scores, Subject
from tasks.comparison.measuring.energy import EnergyCounters, read_energy
from tasks.comparison.measuring.figures import load_figures
from tasks.comparison.measuring.load.loadgen import Done, LoadSpec, Sample, run_load
from tasks.comparison.measuring.plan import Plan
from tasks.comparison.measuring.process_tree import watched
from tasks.orchestration.child import ended_with_us

DAY_S = 86_400.0
CLEAR_S = 3.0  # by which a night has to take longer than a small one, to tell what rows cost
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Ran:
    """One night."""

    rows: int
    seconds: float
    cpu_s: float
    peak_mib: float
    joules: float | None


@dataclass(frozen=True)
class Costs:
    """What rows cost, and what a start does."""

    rows_per_s: float
    row_cpu_s: float
    start_s: float
    start_cpu_s: float


@dataclass(frozen=True)
class Measured:
    """The way, and its scores of the first rows."""

    way: WayMeasured
    scores: Scores


def measure_night(subject: Subject, plan: Plan, per_s: float, seed: int) -> Measured:
    """Run a small night, Offline, and a larger one if these took about as long.

    per_s: about how many rows a second will be scored.
    Raises: MeasuringError: a night failed, or did not answer all of its rows.
    """
    with subject.night() as night:
        scores, small = run_job(night.job(range(PARITY_ROWS)), PARITY_ROWS)
        target = _AsANight(night)
        samples = max(2 * PARITY_ROWS, plan.samples(per_s, plan.night_s))
        spec = LoadSpec("Offline", subject.rows, samples=samples, seed=seed)
        load = load_figures(run_load(spec, target))
        large = target.ran[-1]
        while (rows := larger_night(small, large, plan.night_s)) is not None:
            drawn = np.random.default_rng(seed).integers(subject.rows, size=rows)
            large = run_job(night.job(drawn.tolist()), rows)[1]
    costs = compare_nights(small, large)
    energy, notes = _energy(large, subject.told.notes.get(Way.NIGHT, ()))
    night_s = target.ran[-1].seconds
    way = WayMeasured(
        way=Way.NIGHT,
        door=subject.told.doors[Way.NIGHT],
        loads=(load,),
        rows_per_s=costs.rows_per_s,
        freshness=Freshness(
            typical_s=DAY_S / 2 + night_s,
            worst_s=DAY_S + night_s,
            counted=f"half a day and a day until the night, and {night_s:.0f} s for"
            f" {load.samples_per_query:,} rows",
        ),
        cpu_s_per_million=1e6 * costs.row_cpu_s,
        peak_memory_mib=max(small.peak_mib, large.peak_mib, target.ran[-1].peak_mib),
        start_s=costs.start_s,
        network_bytes_per_answer=0.0,
        without_network=subject.told.without_network[Way.NIGHT],
        energy_j_per_million=energy,
        notes=(
            f"rows a second and CPU without the start, which takes {costs.start_s:.1f} s and"
            f" {costs.start_cpu_s:.1f} s of CPU each night",
            *notes,
        ),
    )
    return Measured(way, scores)


def larger_night(small: Ran, large: Ran, seconds: float) -> int | None:
    """How many rows to run next, for what rows cost to show; None where that is not needed, or
    would take longer than so many seconds."""
    if large.seconds - small.seconds >= CLEAR_S:
        return None
    rows = min(MOST_ROWS, round(seconds * large.rows / large.seconds))  # its start counts as theirs
    return rows if rows >= 2 * large.rows else None


def compare_nights(small: Ran, large: Ran) -> Costs:
    """Tell rows and start apart, from nights of different size that started alike."""
    rows, seconds = large.rows - small.rows, large.seconds - small.seconds
    # Where starts differ by more than the rows between take, all of the time counts as theirs, and
    # all of the CPU.
    rate = rows / seconds if seconds > 0 else large.rows / large.seconds
    cpu_s = large.cpu_s - small.cpu_s
    row_cpu_s = cpu_s / rows if cpu_s > 0 else large.cpu_s / large.rows
    return Costs(
        rows_per_s=rate,
        row_cpu_s=row_cpu_s,
        start_s=max(0.0, small.seconds - small.rows / rate),
        start_cpu_s=max(0.0, small.cpu_s - small.rows * row_cpu_s),
    )


def run_job(job: Job, rows: int) -> tuple[Scores, Ran]:
    """Run a night to its end; its scores and what it used.

    Raises: MeasuringError: it failed; says its last line.
    """
    before, began = read_energy(), time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            list(job.command),
            env=dict(job.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=ended_with_us(signal.SIGTERM),
        )
        try:
            with watched(process.pid, since_start=True) as usage:
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            end(process)  # where waiting was interrupted
        seconds = time.perf_counter() - began
        if process.returncode:
            errors.seek(0)
            lines = errors.read().decode("utf-8", "replace").strip().splitlines()
            raise MeasuringError(f"a night failed: {lines[-1] if lines else process.returncode}")
    after, joules = read_energy(), None
    if isinstance(before, EnergyCounters) and isinstance(after, EnergyCounters):
        joules = before.joules_until(after)
    cpu_s = used.ru_utime + used.ru_stime
    return job.read(), Ran(rows, seconds, cpu_s, usage.peak_mib, joules)


class _AsANight:
    """The door as a load generator's target: one query is one night."""

    def __init__(self, night: Night) -> None:
        self.faults: list[str] = []
        self.ran: list[Ran] = []
        self._night = night

    def ask(self, samples: Sequence[Sample], done: Done) -> None:
        try:
            job = self._night.job([sample.row for sample in samples])
            self.ran.append(run_job(job, len(samples))[1])
        except Exception as error:  # the generator waits for an answer in any case
            self.faults += [str(error)] * len(samples)
        done([sample.id for sample in samples])


def _energy(ran: Ran, notes: Sequence[str]) -> tuple[float | None, tuple[str, ...]]:
    if ran.joules is not None:
        return ran.joules / ran.rows * 1e6, tuple(notes)
    return None, (*notes, str(read_energy()))
