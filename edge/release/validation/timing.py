"""The times of variants, measured in turns.

A machine may be slow for a while: measured one after the other, variants would differ by when they
were measured. So all are started, and measured in rounds, each in its turn; every other round goes
backwards.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edge.release.errors import ModelFileError
from edge.release.validation.bench import Bench
from edge.release.validation.benchmark import Stopwatch, StopwatchError
from edge.release.validation.candidate import Draft
from edge.release.validation.metrics import Timing

ROUNDS = 7


@dataclass(frozen=True)
class Timed:
    """What was measured of a variant; notes: where it could not be, and why."""

    timings: tuple[Timing, ...]
    notes: tuple[str, ...]


@dataclass(eq=False)
class _Runner:
    variant: Draft
    timings: list[Timing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def time_all(variants: Sequence[Draft], bench: Bench) -> tuple[Timed, ...]:
    """Time variants, by interpreter and threads; where one cannot run it, a note says why.

    Raises:
        ModelFileError: the first interpreter cannot: that is the one that has to.
    """
    runners = [_Runner(variant) for variant in variants]
    for python in bench.pythons:
        fit = runners
        for threads in bench.threads:
            failed = _in_turns(fit, python, threads, bench.seconds)
            for runner, error in failed:
                name = runner.variant.variant
                if python == bench.pythons[0]:
                    raise ModelFileError(f"{name} cannot be run: {error}") from error
                runner.notes.append(f"{name} was not timed: {error}")
            fit = [runner for runner in fit if all(runner is not one for one, _ in failed)]
    return tuple(Timed(tuple(one.timings), tuple(one.notes)) for one in runners)


def _in_turns(
    runners: Sequence[_Runner], python: Path, threads: int, seconds: float
) -> list[tuple[_Runner, StopwatchError]]:
    """One interpreter with so many threads; what could not be measured comes back."""
    failed: list[tuple[_Runner, StopwatchError]] = []
    with ExitStack() as stack:
        running: list[tuple[_Runner, Stopwatch]] = []
        for runner in runners:
            variant = runner.variant
            stopwatch = Stopwatch(python, variant.folder, variant.picture, threads)
            try:
                running.append((runner, stack.enter_context(stopwatch)))
            except StopwatchError as error:
                failed.append((runner, error))
        for number in range(ROUNDS):
            for runner, stopwatch in running if number % 2 == 0 else running[::-1]:
                try:
                    stopwatch.round(seconds / ROUNDS)
                except StopwatchError as error:
                    failed.append((runner, error))
            running = [one for one in running if all(one[0] is not gone for gone, _ in failed)]
        for runner, stopwatch in running:
            runner.timings.append(Timing(threads=threads, **stopwatch.measured))
    return failed
