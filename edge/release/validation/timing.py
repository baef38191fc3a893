"""The times of candidates, measured in turns, and the processor they were measured on.

A machine may be slow for a while: measured one after the other, candidates would differ by when
they were measured. So all are started, and measured in rounds, each in its turn; every other round
goes backwards.
"""

import platform
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edge.release.errors import ModelFileError
from edge.release.validation.benchmark import Benchmark, BenchmarkError
from edge.release.validation.candidate import Candidate
from edge.release.validation.metrics import Timing

ROUNDS = 7
CPU_INFO = Path("/proc/cpuinfo")
# Of what a processor can do, that by which the kernels of a runtime are chosen.
_KERNEL_FLAGS = (
    "avx2",
    "avx512f",
    "avx_vnni",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",
    "asimddp",
    "i8mm",
    "sve",
)


@dataclass(frozen=True)
class TimingPlan:
    """By which interpreters and numbers of threads candidates are timed.

    pythons: interpreters that can import numpy, OpenCV and a runtime; the first one has to work.
    seconds: for each timing, all rounds together.
    """

    threads: tuple[int, ...] = (1, 2)
    pythons: tuple[Path, ...] = (Path(sys.executable),)
    seconds: float = 1.5


@dataclass(eq=False)
class Timed:
    """What was measured of a candidate; notes: where it could not be, and why."""

    candidate: Candidate
    timings: list[Timing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def time_all(candidates: Sequence[Candidate], plan: TimingPlan) -> tuple[Timed, ...]:
    """Time candidates, by interpreter and threads; where one cannot run it, a note says why.

    Raises:
        ModelFileError: the first interpreter cannot: that is the one that has to.
    """
    runners = [Timed(candidate) for candidate in candidates]
    for python in plan.pythons:
        fit = runners
        for threads in plan.threads:
            failed = _in_turns(fit, python, threads, plan.seconds)
            for runner, error in failed:
                name = runner.candidate.variant
                if python == plan.pythons[0]:
                    raise ModelFileError(f"{name} cannot be run: {error}") from error
                runner.notes.append(f"{name} was not timed: {error}")
            fit = [runner for runner in fit if all(runner is not other for other, _ in failed)]
    return tuple(runners)


def cpu_name() -> str:
    """The processor's own name, with the instructions that matter to a model's speed."""
    try:
        lines = CPU_INFO.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    known: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        known.setdefault(key.strip().lower(), value.strip())
    name = known.get("model name") or platform.processor() or platform.machine()
    flags = {*known.get("flags", known.get("features", "")).split()}
    chosen_by = [flag for flag in _KERNEL_FLAGS if flag in flags]
    return f"{name} ({', '.join(chosen_by)})" if chosen_by else name


def _in_turns(
    runners: Sequence[Timed], python: Path, threads: int, seconds: float
) -> list[tuple[Timed, BenchmarkError]]:
    """One interpreter with so many threads; what could not be measured comes back."""
    failed: list[tuple[Timed, BenchmarkError]] = []
    with ExitStack() as stack:
        running: list[tuple[Timed, Benchmark]] = []
        for runner in runners:
            candidate = runner.candidate
            benchmark = Benchmark(python, candidate.folder, candidate.picture, threads)
            try:
                running.append((runner, stack.enter_context(benchmark)))
            except BenchmarkError as error:
                failed.append((runner, error))
        for number in range(ROUNDS):
            for runner, benchmark in running if number % 2 == 0 else running[::-1]:
                try:
                    benchmark.round(seconds / ROUNDS)
                except BenchmarkError as error:
                    failed.append((runner, error))
            running = [pair for pair in running if all(pair[0] is not gone for gone, _ in failed)]
        for runner, benchmark in running:
            runner.timings.append(Timing(threads=threads, **benchmark.measured))
    return failed
