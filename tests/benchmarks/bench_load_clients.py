"""The comparison's client beside wrk, on the fraud service: how far their figures agree.

    python -m tests.benchmarks.bench_load_clients [--seconds N] [--rounds N]

Both ask the same service in turns, from one connection and from 32. Of several rounds the median
counts, and the spread is shown: on a shared machine, rounds differ by more than the clients do.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tasks.comparison.measuring.doors.fraud import open_fraud
from tasks.comparison.measuring.doors.server import serving
from tasks.comparison.measuring.figures import load_figures
from tasks.comparison.measuring.load.http_client import Many, OneByOne, request_bytes
from tasks.comparison.measuring.load.loadgen import LoadSpec, Sample, run_load
from tests.benchmarks.bench_fraud import DETECT
from tests.benchmarks.load import require_wrk, wrk

CONNECTIONS = 32
console = Console(highlight=False)


class Clients:
    """Both clients of a service that is up."""

    def __init__(self, address: tuple[str, int], requests: list[bytes], seconds: int) -> None:
        self._address, self._requests, self._seconds = address, requests, seconds
        self._url = f"http://{address[0]}:{address[1]}/detect_fraud"

    def round(self) -> dict[str, float]:
        """One figure after another, by wrk and by us."""
        theirs = [wrk(self._url, DETECT, count, self._seconds) for count in (1, CONNECTIONS)]
        rate = max(1.0, theirs[1].requests_per_second)
        with OneByOne(self._address, self._requests) as client:
            spec = LoadSpec("SingleStream", len(self._requests), self._seconds, expected_s=2e-4)
            single = load_figures(run_load(spec, client))
        with Many(self._address, self._requests, CONNECTIONS) as client:
            samples = round(rate * self._seconds)
            spec = LoadSpec("Offline", len(self._requests), samples=samples)
            full = load_figures(run_load(spec, client))
        assert single.latency is not None
        return {
            "p50 of one connection, ms: wrk": theirs[0].p50_ms or 0.0,
            "p50 of one connection, ms: ours": single.latency.p50_ms,
            f"rows a second of {CONNECTIONS}: wrk": theirs[1].requests_per_second,
            f"rows a second of {CONNECTIONS}: ours": full.samples_per_s,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=3, help="per client and connections")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    require_wrk()
    with tempfile.TemporaryDirectory() as scratch:
        subject = open_fraud(Path(scratch) / "nobody", Path(scratch), seed=0)

        def answers(address: tuple[str, int]) -> bool:
            with OneByOne(address, [request_bytes(address, subject.path, body)]) as client:
                client.ask([Sample(0, 0)], lambda ids: None)
                return not client.faults

        body = subject.body(0)
        with serving(subject.service, subject.home, answers) as server:
            bodies = map(subject.body, range(subject.rows))
            requests = [request_bytes(server.address, subject.path, body) for body in bodies]
            clients = Clients(server.address, requests, given.seconds)
            clients.round()  # warm
            rounds = [clients.round() for _ in range(given.rounds)]
    show(rounds)


def show(rounds: list[dict[str, float]]) -> None:
    """Each figure's median and ends, and the ratio of ours to wrk's in each round."""
    table = Table("", "median", "least", "most")
    for name in rounds[0]:
        values = sorted(each[name] for each in rounds)
        table.add_row(name, *(f"{value:,.3f}" for value in (median(values), values[0], values[-1])))
    for name in (name for name in rounds[0] if name.endswith(": ours")):
        theirs = name.replace(": ours", ": wrk")
        ratios = sorted(each[name] / each[theirs] for each in rounds if each[theirs])
        cells = (f"{value:.2f}" for value in (median(ratios), ratios[0], ratios[-1]))
        table.add_row(f"{name} / wrk", *cells)
    console.print(table)


if __name__ == "__main__":
    main()
