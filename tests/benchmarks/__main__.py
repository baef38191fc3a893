"""All benchmarks in one run, in one table and one file; and what has fallen since an earlier run.

    python -m tests.benchmarks [--against FILE] [--only sentiment,fraud] [--quick]

Every benchmark takes its peers in turns, round after round. A ratio is ours to a peer's, or to a
limit's, of the same round; the median counts, and the spread is that of the rounds without the
outlier at either end. With --against, a ratio is flagged that is lower than the earlier one by
more than the larger spread of the two runs, and by more than a tenth.

Exit code: 0; 1 if a ratio is flagged, or a benchmark broke off; 2 if it was asked for wrongly.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.benchmarks.bench.against import Change, compare
from tests.benchmarks.bench.record import (
    Record,
    RecordError,
    Suite,
    check_comparable,
    read_record,
    write_record,
)
from tests.benchmarks.bench.suites import BENCHMARKS, run_benchmark
from tests.benchmarks.bench.table import describe_fall, table_of
from tests.benchmarks.machine import describe_machine

FOLDER = Path("var/benchmarks")
WIDTH = 180  # of the table where it is not shown in a terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write after each benchmark, show; the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    begun_at, machine = datetime.now(UTC), describe_machine()
    output = given.output or FOLDER / f"bench-{begun_at:%Y%m%dT%H%M%SZ}.json"
    try:
        earlier = _read_earlier(given.against, output, machine, given.quick)
    except RecordError as error:
        parser.error(str(error))
    suites: dict[str, Suite] = {}
    for name in given.only:
        _tell(f"{name}: it tells how it goes on in {output.parent / name}.log")
        suites[name] = run_benchmark(name, BENCHMARKS[name], given.quick, output.parent)
        _tell(f"{name}: {_outcome(suites[name])}")
        record = Record(begun_at=begun_at, quick=given.quick, machine=machine, suites=suites)
        write_record(record, output)
    changes = compare(earlier, record) if earlier else []
    show(record, changes)
    print(f"written to {output}")
    fell = any(change.fell for change in changes)
    return 1 if fell or any(suite.fault for suite in suites.values()) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--against", type=Path, metavar="FILE", help="what an earlier run wrote")
    parser.add_argument("--only", type=_names, default=tuple(BENCHMARKS), metavar="NAME,NAME")
    parser.add_argument("--quick", action="store_true", help="the same, on less of everything")
    parser.add_argument("--output", type=Path, help=f"default: {FOLDER}/bench-TIME.json")
    return parser


def _names(given: str) -> tuple[str, ...]:
    """In the order in which they are run."""
    asked = set(given.split(","))
    if unknown := sorted(asked - BENCHMARKS.keys()):
        raise argparse.ArgumentTypeError(
            f"there is no {unknown[0]!r}; there are {', '.join(BENCHMARKS)}"
        )
    return tuple(name for name in BENCHMARKS if name in asked)


def _read_earlier(
    against: Path | None, output: Path, machine: Mapping[str, object], quick: bool
) -> Record | None:
    """The earlier run, before minutes are spent on measuring what cannot be compared with it.

    Raises: RecordError: it is no such file, or not comparable.
    """
    if against is None:
        return None
    if against.resolve() == output.resolve():
        raise RecordError(f"{against} would be overwritten: give another --output")
    earlier = read_record(against)
    check_comparable(earlier, against, machine, quick)
    return earlier


def show(record: Record, changes: Sequence[Change]) -> None:
    """The table, and a line for each ratio that fell."""
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=WIDTH)
    console.print(table_of(record, changes))
    for change in changes:
        if change.fell:
            print(describe_fall(change))
    if changes and not any(change.fell for change in changes):
        print(f"none of {len(changes)} ratios fell by more than its spread")


def _outcome(suite: Suite) -> str:
    if suite.skipped:
        return f"skipped: {suite.skipped}"
    took = f"{suite.seconds:,.0f} s"
    return f"broke off after {took}: {suite.fault}" if suite.fault else f"done in {took}"


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
