"""Ways for a request to enter the fraud service, with the same model, checks and log behind.

    python -m tests.benchmarks.bench_fraud_entries [--seconds N] [--rounds N]

- patched: as the service does it: `Web` in front of BentoML's layers, our protocol in uvicorn.
- middleware: `Service.add_asgi_middleware`, behind BentoML's own layers; our protocol.
- mounted: `bentoml.asgi_app`, behind BentoML's layers and router; our protocol.
- uvicorn: a plain server without BentoML, which takes our protocol as an option.
- h11: a plain server with the limit on heads that uvicorn itself has.

In turns; for each number of connections the round with the median rate counts, and the ratio to
`patched` is the median of the rounds' own.
"""

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_fraud import DETECT, PeerFault, console, say, serving, train
from tests.benchmarks.comparison import Metrics, format_ratio, keep, median_peer, table_of
from tests.benchmarks.load import require_wrk, wrk
from tests.benchmarks.machine import describe_machine

CONNECTIONS = (1, 32)
ENTRIES = ("patched", "middleware", "mounted", "uvicorn", "h11")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=4, help="per entry and connections")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/fraud_entries.json"))
    given = parser.parse_args()
    require_wrk()
    rounds: dict[str, list[Metrics]] = {name: [] for name in ENTRIES}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        train(home)
        for _ in range(given.rounds):
            for name, found in rounds.items():
                found.append(bench(name, home, given.seconds))
            entries = {name: median_peer(found) for name, found in rounds.items()}
            keep({"machine": describe_machine(), "entries": entries}, given.output)
    console.print(table_of(entries, CONNECTIONS))
    for name in ENTRIES:
        for place, connections in enumerate(CONNECTIONS):
            told = ", ".join(
                f"{figure} {format_ratio(ratio(rounds, name, place, figure), 1)}"
                for figure in ("requests_per_second", "p50_ms", "p99_ms")
            )
            console.print(f"{name} : patched, {connections} connections: {told}")


def bench(name: str, home: Path, seconds: int) -> Metrics:
    """What one entry does under each load; or what kept it from being measured."""
    bento = (sys.executable, "-m", "bentoml", "serve")
    command = {
        "patched": (*bento, "services.fraud.service:FraudDetector", "--port"),
        "middleware": (*bento, "tests.benchmarks.peers.fraud_entries:Behind", "--port"),
        "mounted": (*bento, "tests.benchmarks.peers.fraud_entries:Mounted", "--port"),
    }.get(name, (sys.executable, "-m", "tests.benchmarks.peers.fraud_entries", name))
    try:
        with serving(name, command, home) as (port, _, _):
            url = f"http://127.0.0.1:{port}/detect_fraud"
            wrk(url, DETECT, 8, 1)  # warm
            loads = [wrk(url, DETECT, connections, seconds) for connections in CONNECTIONS]
    except PeerFault as fault:
        console.print(f"{name}: {fault}")
        return {"fault": str(fault), "loads": []}
    for load in loads:
        say(name, load)
    return {"loads": [asdict(load) for load in loads]}


def ratio(rounds: dict[str, list[Metrics]], name: str, place: int, figure: str) -> float | None:
    """The median over the rounds of an entry's figure to that of `patched` in the same round."""
    pairs: list[tuple[Any, Any]] = [
        (mine["loads"][place][figure], theirs["loads"][place][figure])
        for mine, theirs in zip(rounds[name], rounds["patched"], strict=True)
        if mine["loads"] and theirs["loads"]
    ]
    found = [mine / theirs for mine, theirs in pairs if mine and theirs]
    return statistics.median(found) if found else None


if __name__ == "__main__":
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    main()
