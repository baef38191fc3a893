"""Peak memory of the whole nightly run on 40,000 and on 400,000 reviews, in turns.

    python -m tests.benchmarks.bench_memory [--rows 40000,400000] [--rounds N] [--precision int8]

Runs the command in a process of its own, with a Prefect server beside it, and reads the peak
resident size from the kernel. Prints a table and writes var/benchmarks/memory.json.
"""

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.comparison import format_metric, format_ratio, keep
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.texts import varied_texts

Run = dict[str, Any]  # rows; rounds, each with peak_mib and seconds, None where it failed


def write_reviews(file: Path, rows: int) -> None:
    """Reviews of the demo, each made unique by a number, until there are enough."""
    with file.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "review"])
        writer.writerows((f"r{i}", text) for i, text in enumerate(varied_texts(rows)))


def peak_of_run(file: Path, home: Path, arguments: list[str]) -> tuple[float | None, float | None]:
    """Peak resident size in MiB, and seconds; nothing of a run that failed."""
    command = [
        sys.executable,
        "-m",
        "flows.score_sentiment",
        *("--source", str(file), "--text-column", "review", "--id-column", "id"),
        *arguments,
    ]
    started = time.monotonic()
    own = ("TRIPTYCH_", "PREFECT_API_")  # the user's database and server stay as they are
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    environment["TRIPTYCH_HOME"] = str(home)
    child = os.posix_spawn(sys.executable, command, environment)
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        print(f"the run failed: {' '.join(command)}", file=sys.stderr)
        return None, None
    return usage.ru_maxrss / 1024, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", default="40000,400000", help="numbers of reviews")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--precision", default="auto", help="of the scorer")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/memory.json"))
    given = parser.parse_args()
    runs: list[Run] = [{"rows": int(rows), "rounds": []} for rows in given.rows.split(",")]
    precision = ["--precision", given.precision]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "var"
        warm = Path(scratch) / "warm.csv"
        write_reviews(warm, 500)
        peak_of_run(warm, home, precision)  # converts and measures once
        for number in range(given.rounds):
            for run in runs:
                # A file of its own in each round, else the work is done already.
                file = Path(scratch) / f"reviews-{run['rows']}-{number}.csv"
                write_reviews(file, run["rows"])
                peak, seconds = peak_of_run(file, home, precision)
                run["rounds"].append({"peak_mib": peak, "seconds": seconds})
                keep({"machine": describe_machine(), "runs": runs}, given.output)
                file.unlink()
    show(runs)


def median_of(run: Run, name: str) -> float | None:
    """Of the rounds that have this figure."""
    found = [each[name] for each in run["rounds"] if each[name] is not None]
    return statistics.median(found) if found else None


def show(runs: Sequence[Run]) -> None:
    """A table, with each peak's ratio to the first one's."""
    table = Table("reviews", "peak MiB", "ratio", "seconds", title="peak memory of the nightly run")
    for run in runs:
        peak, seconds = median_of(run, "peak_mib"), median_of(run, "seconds")
        ratio = format_ratio(peak, median_of(runs[0], "peak_mib"))
        cells = (format_metric(peak, ",.0f"), ratio, format_metric(seconds, ",.0f"))
        table.add_row(f"{run['rows']:,}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
