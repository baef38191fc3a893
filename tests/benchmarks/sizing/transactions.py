"""Transactions a second by one replica and by two, and the cores that each part of it takes.

Measured by `tests.benchmarks.bench_state`, which asks `/score_transaction` by wrk on this machine.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
Found = dict[str, Any]


def measure(scratch: Path) -> Found:
    """Of each way and number of connections the round with the median rate."""
    output = scratch / "state.json"
    command = [sys.executable, "-m", "tests.benchmarks.bench_state", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"bench_state failed: {(done.stderr or done.stdout)[-2_000:]}")
    return {"figures": json.loads(output.read_bytes())["figures"]}


def render(found: Found) -> list[str]:
    """A table in Markdown; CPU seconds per thousand are cores per thousand a second."""
    head = ("way", "connections", "a second", "p50 / p99 ms", "cores per 1,000/s", "PostgreSQL's")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for each in found["figures"]:
        times = f"{_number(each['p50_ms'], 2)} / {_number(each['p99_ms'], 1)}"
        cores = (_number(each[name], 2) for name in ("replica_cpu_s", "postgres_cpu_s"))
        cells = (each["way"], each["connections"], f"{each['per_s']:,.0f}", times, *cores)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
