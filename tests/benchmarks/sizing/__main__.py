"""The figures of the sizing page, measured here: `python -m tests.benchmarks.sizing`.

    python -m tests.benchmarks.sizing [--only PART,…] [--output FILE]

- reviews: an hour's reviews on one core, of two models in each precision;
- nights: a night by threads, by one and by two Dask workers, and what follows for more;
- transactions: a second, by one replica and by two, and the cores that they take;
- tables: megabytes per million rows in SQLite, PostgreSQL and Parquet;
- devices: bytes and requests of a device's poll, and what 1,000 and 100,000 of them ask.

Prints each part in Markdown as it comes, and writes var/benchmarks/sizing.json, with the machine
and how busy it was when the part began; of parts that are not asked for it keeps what it holds.
Takes about twenty minutes on two cores: leave the machine alone meanwhile.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.comparison import keep
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.sizing import devices, nights, reviews, tables, transactions

Found = dict[str, Any]
PARTS: dict[str, tuple[Callable[[Path], Found], Callable[[Found], list[str]]]] = {
    "reviews": (reviews.measure, reviews.render),
    "nights": (nights.measure, nights.render),
    "transactions": (transactions.measure, transactions.render),
    "tables": (tables.measure, tables.render),
    "devices": (devices.measure, devices.render),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", type=read_parts, default=tuple(PARTS), metavar="PART,…")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/sizing.json"))
    given = parser.parse_args()
    machine = describe_machine()
    results = kept_results(given.output, machine)
    sys.stdout.write(f"{machine['cpu']}, {machine['cores']} cores\n")
    for name in given.only:
        measure, render = PARTS[name]
        load, began = os.getloadavg()[0], time.monotonic()
        with tempfile.TemporaryDirectory(prefix="sizing-") as scratch:
            found = measure(Path(scratch))
        seconds = round(time.monotonic() - began)
        results[name] = {**found, "load_before": round(load, 2), "seconds": seconds}
        keep({"machine": machine, "parts": results}, given.output)
        busy = f"load before: {load:.2f}; measured in {seconds} s"
        sys.stdout.write("\n".join(["", f"## {name} ({busy})", "", *render(found), ""]))
        sys.stdout.flush()


def read_parts(given: str) -> tuple[str, ...]:
    """The parts that are asked for.

    Raises: ArgumentTypeError: there is none of a name; says which there are.
    """
    parts = tuple(given.split(","))
    if unknown := [part for part in parts if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]}: there are {', '.join(PARTS)}")
    return parts


def kept_results(output: Path, machine: Found) -> Found:
    """What an earlier run on the same machine has left."""
    try:
        found = json.loads(output.read_bytes())
        return dict(found["parts"]) if found["machine"] == machine else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


if __name__ == "__main__":
    main()
