"""Made figures of a whole run, with the noise of a shared machine."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.benchmarks.bench.record import Record, Row, Suite

MACHINE: Mapping[str, str | int | float | list[str]] = {
    "cpu": "a CPU",
    "features": ["avx2"],
    "cores": 2,
    "system": "Linux x86_64",
    "python": "3.11.9",
}
RATES = {  # of ours, and of what stands beside it; for each row
    "float32": (779.0, 210.0, 1_400.0),
    "int8": (1_414.0, 210.0, 5_000.0),
    "answers": (5_300.0, 301.0, 7_900.0),
    "frames": (406.0, 245.0, 439.0),
}
ROUNDS = 5


def noisy_run(seed: int, slow: Mapping[str, float] | None = None, day: float = 1.0) -> Record:
    """Rounds whose speed drifts by a tenth for all, and by 3 % for each; every twentieth is hit.

    slow: what share of its speed a row of ours has left. day: how fast the machine is.
    """
    chance = random.Random(seed)
    columns: dict[str, list[list[float]]] = {what: [[], [], []] for what in RATES}
    for _ in range(ROUNDS):
        speed = day * chance.uniform(0.9, 1.1)  # of this round, for whoever takes a turn in it
        for what, rates in RATES.items():
            for column, rate in zip(columns[what], rates, strict=True):
                own = chance.gauss(1.0, 0.02) * (0.7 if chance.random() < 0.05 else 1.0)
                column.append(rate * speed * own)
            columns[what][0][-1] *= (slow or {}).get(what, 1.0)
    rows = tuple(
        Row(what=what, unit="1/s", ours=(*ours,), peers={"peer": (*peer,)}, limits={"max": (*top,)})
        for what, (ours, peer, top) in columns.items()
    )
    return record_of({"made": Suite(rows=rows)})


def record_of(suites: Mapping[str, Suite], quick: bool = False) -> Record:
    begun_at = datetime(2026, 1, 2, tzinfo=UTC)
    return Record(begun_at=begun_at, quick=quick, machine=MACHINE, suites=suites)


def steady_row(what: str = "answers", ours: float = 100.0, peer: float | None = 50.0) -> Row:
    """Three rounds that agree."""
    return Row(what=what, unit="1/s", ours=(ours,) * 3, peers={"peer": (peer,) * 3})
