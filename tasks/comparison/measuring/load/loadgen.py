"""Load after MLPerf's rules, from MLCommons' own load generator (inference_rules.adoc).

Offline gives all samples at once. Server lets queries arrive as a Poisson process, whether or not
those before them are answered. SingleStream and MultiStream ask again when the last query is
answered, MultiStream with eight samples. Rows are drawn from a seed, with replacement (of Offline
each equally often), and a query's latency counts from the instant at which it was due.

The generator runs one load at a time in a process.
"""

import array
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tasks.comparison.errors import MeasuringError
from tasks.comparison.measurement import Scenario
from tasks.comparison.measuring.load.trace import Trace, read_trace

STREAMS = 8  # samples of a MultiStream query, as the rules have it
SWITCH_S = 2e-4  # between Python's threads: with 5 ms, asking would wait for reading
FEWEST_NS = 1_000

Done = Callable[[Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One row that is to be answered."""

    id: int  # to be given back when it is
    row: int


class Target(Protocol):
    """What is asked. Whatever goes wrong there is kept in `faults`, one line each."""

    faults: list[str]

    def ask(self, samples: Sequence[Sample], done: Done) -> None:
        """Answer the samples of a query, now or later, and call `done` with their ids: once for
        each, also for one that gets no answer. Raises nothing."""


@dataclass(frozen=True)
class LoadSpec:
    """A run of a scenario.

    Attributes:
        rows: how many there are to draw from.
        seconds: at least so long, but for Offline.
        per_s: Server: the mean rate of arrivals.
        samples: Offline: how many.
        expected_s: SingleStream, MultiStream: a query's usual latency; the generator prepares
            queries for `seconds` from it, and stops when it has none left.
        bound_ms: Server: that the 99th percentile is to keep.
    """

    scenario: Scenario
    rows: int
    seconds: float = 1.0
    per_s: float = 1.0
    samples: int = 1
    expected_s: float = 1e-3
    bound_ms: float = 10.0
    seed: int = 0


@dataclass(frozen=True)
class Recorded:
    """What a run left: its trace, and the queries that got no right answer, in words."""

    spec: LoadSpec
    trace: Trace
    faults: tuple[str, ...] = field(default=())

    @property
    def samples_per_query(self) -> int:
        return len(self.trace.rows) // len(self.trace.due_s)

    @property
    def samples_per_s(self) -> float:
        return len(self.trace.rows) / self.trace.seconds


def run_load(spec: LoadSpec, target: Target) -> Recorded:
    """Ask a target as a scenario has it. What the generator writes is read, and deleted.

    Raises: MeasuringError: the load generator is not installed, or left no trace.
    """
    generator = _generator()
    known = len(target.faults)
    with tempfile.TemporaryDirectory(prefix="load-") as folder, _quick_switches():
        _run(generator, spec, target, Path(folder))
        try:
            trace = read_trace(Path(folder) / "mlperf_log_trace.json")
        except (OSError, ValueError) as error:
            raise MeasuringError(f"the load generator left no trace: {error}") from error
    return Recorded(spec, trace, tuple(target.faults[known:]))


def _generator() -> Any:
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise MeasuringError(
            "the load generator is missing: pip install mlcommons-loadgen, which some machines have"
            " to build from its source"
        ) from error
    return mlperf_loadgen


def _run(generator: Any, spec: LoadSpec, target: Target, folder: Path) -> None:
    desk = _Desk(generator, target)
    sut = generator.ConstructSUT(desk.issue, lambda: None)
    qsl = generator.ConstructQSL(spec.rows, spec.rows, lambda rows: None, lambda rows: None)
    try:
        generator.StartTestWithLogSettings(
            sut,
            qsl,
            _settings(generator, spec),
            _log_settings(generator, folder),
            str(folder / "audit.config"),  # there is none: the working folder's is not looked for
        )
    finally:
        generator.DestroyQSL(qsl)
        generator.DestroySUT(sut)
    if desk.interrupted is not None:
        raise desk.interrupted


class _Desk:
    """Between generator and target. No error passes through the generator, which would end the
    process: after one, such as Ctrl-C, nothing more is asked, and it is raised when all is over."""

    def __init__(self, generator: Any, target: Target) -> None:
        self.interrupted: BaseException | None = None
        self._generator, self._target = generator, target
        self._open: set[int] = set()  # samples without an answer: each is completed once
        self._nothing = array.array("B", [0])  # answers are checked by the target alone
        self._address = self._nothing.buffer_info()[0]

    def issue(self, queries: Sequence[Any]) -> None:
        """What the generator calls when a query is due."""
        samples = [Sample(query.id, query.index) for query in queries]
        self._open.update(sample.id for sample in samples)
        try:
            if self.interrupted is None:
                self._target.ask(samples, self._done)
                return
        except BaseException as error:
            self.interrupted = error
        self._done([sample.id for sample in samples])

    def _done(self, ids: Sequence[int]) -> None:
        response, completed = self._generator.QuerySampleResponse, []
        for one in ids:
            try:
                self._open.remove(one)
            except KeyError:  # given up meanwhile
                continue
            completed.append(response(one, self._address, 1))
        self._generator.QuerySamplesComplete(completed)


def _settings(generator: Any, spec: LoadSpec) -> Any:
    settings = generator.TestSettings()
    settings.scenario = getattr(generator.TestScenario, spec.scenario)
    settings.mode = generator.TestMode.PerformanceOnly
    settings.min_query_count = 1
    settings.min_duration_ms = max(1, round(1e3 * spec.seconds))
    settings.qsl_rng_seed = spec.seed + 1  # zero would be the same for all
    settings.sample_index_rng_seed = spec.seed + 2
    settings.schedule_rng_seed = spec.seed + 3
    expected_ns = max(FEWEST_NS, round(1e9 * spec.expected_s))
    if spec.scenario == "Server":
        settings.server_target_qps = spec.per_s
        settings.server_target_latency_ns = round(1e6 * spec.bound_ms)
    elif spec.scenario == "SingleStream":
        settings.single_stream_expected_latency_ns = expected_ns
    elif spec.scenario == "MultiStream":
        settings.multi_stream_expected_latency_ns = expected_ns
        settings.multi_stream_samples_per_query = STREAMS
    else:
        settings.min_duration_ms = 1  # else it would give more samples, for as long as they take
        settings.offline_expected_qps = 1
        settings.min_query_count = spec.samples
    return settings


def _log_settings(generator: Any, folder: Path) -> Any:
    output = generator.LogOutputSettings()
    output.outdir = str(folder)
    output.copy_summary_to_stdout = False
    settings = generator.LogSettings()
    settings.enable_trace = True
    settings.log_output = output
    return settings


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Threads that read answers and threads that ask let each other in at once."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
