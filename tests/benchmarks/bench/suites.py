"""The benchmarks in their order: how each is called, and what reads what it has written.

Each is a process of its own, so that none has the other's threads, memory and settings, and one
that breaks off takes none of the others with it.
"""

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.bench.record import Row, Suite
from tests.benchmarks.bench.rows import (
    Document,
    comparison_rows,
    edge_rows,
    fraud_rows,
    memory_rows,
    quality_rows,
    sentiment_rows,
)
from tests.benchmarks.bench_comparison import MEASURING

ROOT = Path(__file__).parents[3]
END_S = 120.0  # for a benchmark to end its servers when it is told to stop


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    full and quick: its arguments; missing: why it cannot be run here, if it cannot.
    """

    module: str
    rows: Callable[[Document], list[Row]]
    full: Sequence[str] = ("--rounds", "5")
    quick: Sequence[str] = ("--rounds", "5", "--quick")
    missing: Callable[[], str | None] = lambda: None


def _no_wrk() -> str | None:
    return None if shutil.which("wrk") else "wrk is not installed: apt-get install wrk"


def _no_measuring() -> str | None:
    try:
        found = importlib.util.find_spec(MEASURING)
    except ModuleNotFoundError:  # nor is the package that it lies in
        found = None
    return None if found else f"there is no {MEASURING}"


# The panels, and their comparison in the same hour; then what does not depend on speed.
BENCHMARKS: Mapping[str, Benchmark] = {
    "sentiment": Benchmark("tests.benchmarks.bench_sentiment", sentiment_rows),
    "fraud": Benchmark("tests.benchmarks.bench_fraud", fraud_rows, missing=_no_wrk),
    "edge": Benchmark("tests.benchmarks.bench_edge", edge_rows),
    "comparison": Benchmark(
        "tests.benchmarks.bench_comparison",
        comparison_rows,
        full=("--rounds", "3"),
        quick=("--rounds", "3", "--quick"),
        missing=_no_measuring,
    ),
    "quality": Benchmark(
        "tests.benchmarks.bench_fraud_quality",
        quality_rows,
        full=("--seeds", "3"),
        quick=("--seeds", "1", "--quick"),
    ),
    "memory": Benchmark(
        "tests.benchmarks.bench_memory",
        memory_rows,
        full=("--rounds", "3", "--rows", "20000,200000"),
        quick=("--rounds", "1", "--rows", "2000,20000"),
    ),
}


def run_benchmark(name: str, benchmark: Benchmark, quick: bool, folder: Path) -> Suite:
    """Run one, into NAME.json and NAME.log of a folder; what it gave until it broke off counts."""
    why = benchmark.missing()
    if why:
        return Suite(skipped=why)
    output, log = folder / f"{name}.json", folder / f"{name}.log"
    folder.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)  # an earlier run's
    arguments = benchmark.quick if quick else benchmark.full
    began = time.monotonic()
    command = [sys.executable, "-m", benchmark.module, *arguments, "--output", str(output)]
    code = _run(command, log)
    seconds = round(time.monotonic() - began, 1)
    fault = f"it ended with {code}: {last_line(log)} (all of it: {log})" if code else None
    try:
        rows = benchmark.rows(json.loads(output.read_bytes()))
    except (OSError, ValueError, LookupError, TypeError) as error:  # it ended before it wrote
        fault = fault or f"what it wrote to {output} cannot be read: {error!r}"
        rows = []
    return Suite(rows=tuple(rows), seconds=seconds, fault=fault)


def _run(command: Sequence[str], log: Path) -> int:
    """Its exit code. When it is told to stop it gets the time to end what it has started."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
        try:
            return process.wait()
        except KeyboardInterrupt:  # which the terminal has sent to it, too
            process.send_signal(signal.SIGINT)
            process.wait(END_S)
            raise


def last_line(log: Path) -> str:
    """The last that it said."""
    lines = log.read_text("utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
