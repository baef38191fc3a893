"""How a night scales: by threads of one process, and by one and two Dask workers of one core each.

The time of a night of a few reviews is what any night takes to begin and end. Of what is left, the
part that does not shrink with the workers follows from the two times (Amdahl): with one worker a
night takes serial + parallel, with two serial + parallel / 2.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_memory import write_reviews

ROOT = Path(__file__).parents[3]
REVIEWS, FEW = 30_000, 200
ROWS_PER_PART = 500
START_S, END_S = 60.0, 5.0
BEYOND = (4, 8, 16)  # workers for which a time is calculated
Found = dict[str, Any]


@dataclass(frozen=True)
class Scaling:
    """What a night's time is made of, in seconds; to begin and end is not in it."""

    serial_s: float
    parallel_s: float

    @classmethod
    def of(cls, one_s: float, two_s: float) -> "Scaling":
        """From the times with one worker and with two.

        Where two workers are no quicker than one, nothing is parallel; where they are more than
        twice as quick, as noise makes them, all is.
        """
        parallel_s = min(max(2 * (one_s - two_s), 0.0), one_s)
        return cls(one_s - parallel_s, parallel_s)

    def seconds(self, workers: int) -> float:
        """With so many workers, of a core each."""
        return self.serial_s + self.parallel_s / workers

    @property
    def serial_share(self) -> float:
        """Of the time with one worker."""
        return self.serial_s / (self.serial_s + self.parallel_s)


def measure(scratch: Path) -> Found:
    """Seconds of nights, and what follows for more workers."""
    nights = Nights(scratch)
    nights.run("threads", FEW)  # makes Prefect's database, and finds the fastest precision
    begin_s = nights.run("threads", FEW)
    threads_s = nights.run("threads", REVIEWS)
    by_workers = {}
    for workers in (1, 2):
        with cluster(scratch, nights.environment, workers) as address:
            nights.run(address, FEW)  # opens the model
            by_workers[workers] = nights.run(address, REVIEWS)
    scaling = Scaling.of(by_workers[1] - begin_s, by_workers[2] - begin_s)
    return {
        "reviews": REVIEWS,
        "begin_s": begin_s,
        "threads_s": threads_s,
        "dask_s": by_workers,
        **asdict(scaling),
        "serial_share": scaling.serial_share,
        "calculated_s": {workers: begin_s + scaling.seconds(workers) for workers in BEYOND},
    }


def render(found: Found) -> list[str]:
    """A table in Markdown."""
    reviews = found["reviews"]
    lines = [f"| a night of {reviews:,} reviews | seconds | reviews/s |", "|---|---|---|"]
    rows = [("threads, all cores", found["threads_s"])]
    rows += [(f"Dask, {n} workers of a core", seconds) for n, seconds in found["dask_s"].items()]
    rows += [(f"calculated, {n} workers", seconds) for n, seconds in found["calculated_s"].items()]
    lines += [f"| {name} | {seconds:.1f} | {reviews / seconds:,.0f} |" for name, seconds in rows]
    lines.append("")
    lines.append(
        f"To begin and end: {found['begin_s']:.1f} s, in each of them. Serial share of the rest:"
        f" {found['serial_share']:.0%} ({found['serial_s']:.1f} s of {reviews:,} reviews)."
    )
    return lines


class Nights:
    """Nights of made reviews in one home, each of a file of its own."""

    def __init__(self, scratch: Path) -> None:
        self._scratch, self._number = scratch, 0
        own = ("TRIPTYCH_", "PREFECT_API_")  # the user's database and server stay as they are
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.environment = {**kept, "TRIPTYCH_HOME": str(scratch / "nights")}

    def run(self, runner: str, reviews: int) -> float:
        """Seconds of one night; it has to succeed."""
        self._number += 1
        source = self._scratch / f"night-{self._number}.csv"
        write_reviews(source, reviews)
        command = [sys.executable, "-m", "flows.score_sentiment", "--source", str(source)]
        command += ["--text-column", "review", "--id-column", "id"]
        command += ["--rows-per-part", str(ROWS_PER_PART)]
        began = time.perf_counter()
        environment = {**self.environment, "TRIPTYCH_TASK_RUNNER": runner}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the night by {runner} failed: {done.stderr[-2_000:]}")
        seconds = time.perf_counter() - began
        sys.stderr.write(f"{reviews:,} reviews by {runner}: {seconds:.1f} s\n")
        return seconds


@contextmanager
def cluster(scratch: Path, environment: dict[str, str], workers: int) -> Iterator[str]:
    """A Dask scheduler with so many workers, each of one thread on a core of its own; its address.

    Where there are fewer cores than workers, these share them.
    """
    file = scratch / f"scheduler-{workers}.json"
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:

        def start(*arguments: str, core: int | None = None) -> None:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(file)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
            )
            stack.callback(_end, process)

        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        for number in range(workers):
            alone = ("--nthreads", "1", "--nworkers", "1", "--no-nanny", "--no-dashboard")
            start("worker", *alone, core=cores[number % len(cores)])
        yield _address(file, workers)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """A worker whose tasks have left threads behind does not end when it is asked to."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    process.kill()
    process.wait()


def _address(file: Path, workers: int) -> str:
    """The scheduler's address, once all workers are there."""
    from distributed import Client

    deadline = time.monotonic() + START_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the Dask scheduler does not start")
        time.sleep(0.1)
    with Client(scheduler_file=str(file)) as client:
        client.wait_for_workers(workers, timeout=START_S)
        address: str = client.scheduler.address
    return address
