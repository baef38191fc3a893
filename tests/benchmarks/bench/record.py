"""What a run of the bench has measured, and its file.

A row is one thing of ours beside its peers and its limits, with the figure of each round: ratios
are taken within a round, so that whatever else the machine did met both sides of them alike.
"""

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from tasks.sentiment.scoring.benchmark import spread
from tests.benchmarks.comparison import keep

Rounds = tuple[float | None, ...]  # None: it gave no figure in that round
SAME_MACHINE = ("cpu", "features", "cores", "system")  # what a ratio depends on


class RecordError(Exception):
    """A file that cannot be compared with; the message says why, and what would do."""


class Value(BaseModel):
    """A value that is written as JSON and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Ratio:
    """How many times better ours is: the median of the rounds, the lowest and the highest, the
    outlier at either end left out where there are more than three."""

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """From the lowest to the highest."""
        return self.high - self.low


class Row(Value):
    """One thing that is measured.

    better: which way a figure is better; noise: the share by which the ratios of two equal runs
    may differ although the rounds of each agree.
    """

    what: str
    unit: str
    better: Literal["higher", "lower"] = "higher"
    ours: Rounds
    peers: Mapping[str, Rounds] = {}
    limits: Mapping[str, Rounds] = {}
    noise: float = 0.1

    def beside(self) -> dict[str, Rounds]:
        """Peers, then limits, by name."""
        return {**self.peers, **self.limits}

    def ratio(self, name: str) -> Ratio | None:
        """Ours to a peer's or a limit's; None where no round has both."""
        pairs = zip(self.ours, self.beside().get(name, ()), strict=False)
        found = [
            ours / theirs if self.better == "higher" else theirs / ours
            for ours, theirs in pairs
            if ours and theirs
        ]
        return Ratio(statistics.median(found), *spread(found)) if found else None


class Suite(Value):
    """What one benchmark has given; where it gave less than all, why.

    skipped: it was not run; fault: it broke off, and what rows there are come from before.
    """

    rows: tuple[Row, ...] = ()
    seconds: float = 0.0
    skipped: str | None = None
    fault: str | None = None


class Record(Value):
    """A whole run, by the names of its suites."""

    kind: Literal["triptych bench"] = "triptych bench"
    begun_at: AwareDatetime
    quick: bool
    machine: Mapping[str, str | int | float | list[str]]
    suites: Mapping[str, Suite]


def median_of(rounds: Rounds) -> float | None:
    """Of the rounds that have a figure."""
    found = [figure for figure in rounds if figure is not None]
    return statistics.median(found) if found else None


def write_record(record: Record, file: Path) -> None:
    """Write it whole or not at all."""
    keep(record.model_dump(mode="json"), file)


def read_record(file: Path) -> Record:
    """Read what `write_record` wrote.

    Raises: RecordError: there is no such file, or it is another one.
    """
    try:
        return Record.model_validate(json.loads(file.read_bytes()))
    except OSError as error:
        raise RecordError(
            f"{file}: {error.strerror}; give the file that an earlier bench has written"
        ) from error
    except (ValueError, ValidationError) as error:
        raise RecordError(
            f"{file} is no file of the bench; give one that it has written, such as"
            " var/benchmarks/bench-….json"
        ) from error


def check_comparable(
    earlier: Record, file: Path, machine: Mapping[str, object], quick: bool
) -> None:
    """Ratios of another machine, or of shorter runs, are other ratios.

    Raises: RecordError: they are such.
    """
    for name in SAME_MACHINE:
        if earlier.machine.get(name) != machine.get(name):
            raise RecordError(
                f"{file} was measured on another machine: {name} was"
                f" {earlier.machine.get(name)!r} there and is {machine.get(name)!r} here; run the"
                " bench without --against to have a file of this machine"
            )
    if earlier.quick != quick:
        kind, cure = ("quick", "add") if earlier.quick else ("full", "leave out")
        raise RecordError(f"{file} is of a {kind} run: {cure} --quick to compare with it")
