"""Raw transactions with the state in a file and on PostgreSQL, by one replica and by two.

    python -m tests.benchmarks.bench_state [--seconds N] [--rounds N] [--before FOLDER]

`/score_transaction` is asked by wrk on loopback, with a history of 5,000 customers and 10,000
terminals; the ways take turns, round after round, and the round with the median rate counts. With
--before, the file's way of an earlier checkout takes its turns too. Two replicas are asked at the
same time, each from as many connections as one replica alone. Also told: the CPU seconds per
thousand transactions of the replicas, and of PostgreSQL. Writes var/benchmarks/state.json.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import psutil
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from services.fraud.scoring.models import Models
from tests.benchmarks.bench_fraud import OURS, SCORE, command_of, serving, train, write_history
from tests.benchmarks.comparison import format_metric, keep
from tests.benchmarks.load import Load, require_wrk, wrk
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.postgres import postgres

CONNECTIONS = (1, 8, 32)
FILE, BEFORE = "file", "file, before"
ONE, TWO = "PostgreSQL, one replica", "PostgreSQL, two replicas"
WIDTH = 120  # of the table where it is not shown in a terminal
console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


@dataclass(frozen=True)
class Replica:
    """A server that answers, and the process that does."""

    port: int
    process: psutil.Process


@dataclass(frozen=True)
class Figure:
    """What one way gave; times in ms.

    connections: to each replica. replica_cpu_s, postgres_cpu_s: per thousand answers, of all.
    """

    way: str
    connections: int
    per_s: float
    p50_ms: float | None
    p99_ms: float | None
    errors: int
    replica_cpu_s: float | None
    postgres_cpu_s: float | None


Running = Callable[[], AbstractContextManager[Sequence[Replica]]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="folder of an earlier checkout")
    parser.add_argument("--state-url", help="an empty PostgreSQL; default: one of its own")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/state.json"))
    given = parser.parse_args()
    require_wrk()
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as scratch, postgres(given.state_url) as url:
        homes = [Path(scratch) / name for name in ("first", "second")]
        train(homes[0])
        homes[1].mkdir()
        day = write_history(homes[0])
        Models(homes[0], SecretStr(url)).share()
        for _ in range(given.rounds):
            for way, running in _ways(homes, url, given.before).items():
                with running() as replicas:
                    found += _measured(way, replicas, day, given.seconds)
            keep(
                {
                    "machine": describe_machine(),
                    "rounds": list(map(asdict, found)),
                    "figures": list(map(asdict, middle_rounds(found))),
                },
                given.output,
            )
    console.print(_table(middle_rounds(found)))
    console.print(f"written to {given.output}")


def _ways(homes: Sequence[Path], url: str, before: Path | None) -> dict[str, Running]:
    shared = {"TRIPTYCH_FRAUD_STATE_URL": url, "TRIPTYCH_DATABASE_URL": url}
    ways: dict[str, Running] = {
        FILE: lambda: _served(homes[:1]),
        ONE: lambda: _served(homes[:1], **shared),
        TWO: lambda: _served(homes, **shared),
    }
    if before is not None:  # found first, since it comes before what is installed
        ways[BEFORE] = lambda: _served(homes[:1], PYTHONPATH=str(before.resolve()))
    return ways


@contextmanager
def _served(homes: Sequence[Path], **settings: str) -> Iterator[Sequence[Replica]]:
    """A service for each home, with a state that holds the first home's history."""
    with ExitStack() as stack:
        replicas = []
        for home in homes:
            command = ["env", *(f"{name}={value}" for name, value in settings.items())]
            command += command_of(OURS, home)
            port, process, _ = stack.enter_context(serving(OURS, command, home))
            replicas.append(Replica(port, process))
        yield replicas


def _measured(way: str, replicas: Sequence[Replica], day: date, seconds: int) -> Iterator[Figure]:
    script = SCORE.replace("DAY", day.isoformat())
    for number, connections in enumerate((8, *CONNECTIONS)):
        before = _cpu_s(replicas)
        loads = _asked(replicas, script, connections, seconds)
        if number:  # the first one warms
            figure = _figure(way, connections, loads, seconds, before, _cpu_s(replicas))
            console.print(_told(figure))
            yield figure


def middle_rounds(found: Sequence[Figure]) -> list[Figure]:
    """Of each way and number of connections the round with the median rate."""
    middle = []
    for way, connections in dict.fromkeys((each.way, each.connections) for each in found):
        same = [each for each in found if (each.way, each.connections) == (way, connections)]
        middle.append(sorted(same, key=lambda each: each.per_s)[len(same) // 2])
    return middle


def _asked(replicas: Sequence[Replica], script: str, connections: int, seconds: int) -> list[Load]:
    """All at the same time, each about transactions of its own."""

    def ask(place: int) -> Load:
        url = f"http://127.0.0.1:{replicas[place].port}/score_transaction"
        own = script.replace("local n = 0", f"local n = {place}0000000")
        return wrk(url, own, connections, seconds)

    with ThreadPoolExecutor(len(replicas)) as clients:
        return list(clients.map(ask, range(len(replicas))))


def _cpu_s(replicas: Sequence[Replica]) -> tuple[float, float]:
    """Of the processes that answer, and of all PostgreSQL servers of this machine."""
    own = sum(sum(replica.process.cpu_times()[:2]) for replica in replicas)
    servers = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "postgres"]
    used = 0.0
    for server in servers:
        with suppress(psutil.Error):
            used += sum(server.cpu_times()[:4])  # with those of connections that have ended
    return own, used


def _figure(
    way: str,
    connections: int,
    loads: Sequence[Load],
    seconds: int,
    before: tuple[float, float],
    after: tuple[float, float],
) -> Figure:
    per_s = sum(load.requests_per_second for load in loads)
    thousands = per_s * seconds / 1e3
    replica, server = (
        (end - begin) / thousands if thousands else None
        for begin, end in zip(before, after, strict=True)
    )
    return Figure(
        way=way,
        connections=connections,
        per_s=per_s,
        p50_ms=_mean(load.p50_ms for load in loads),
        p99_ms=max((load.p99_ms for load in loads if load.p99_ms is not None), default=None),
        errors=sum(load.errors for load in loads),
        replica_cpu_s=replica,
        postgres_cpu_s=server if way in (ONE, TWO) else None,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _told(figure: Figure) -> str:
    return f"{figure.way}, {figure.connections}: {'  '.join(_cells(figure))}"


def _cells(figure: Figure) -> list[str]:
    return [
        f"{figure.per_s:,.0f}/s",
        f"{format_metric(figure.p50_ms, '.2f')} / {format_metric(figure.p99_ms, '.1f')} ms",
        f"{figure.errors} errors",
        f"{format_metric(figure.replica_cpu_s, '.2f')} s",
        f"{format_metric(figure.postgres_cpu_s, '.2f')} s",
    ]


def _table(figures: Sequence[Figure]) -> Table:
    head = ("way", "connections", "answers", "p50 / p99", "errors")
    table = Table(*head, "CPU per thousand", "PostgreSQL's")
    for figure in figures:
        table.add_row(figure.way, str(figure.connections), *_cells(figure))
    return table


if __name__ == "__main__":
    main()
