"""Both models in all three ways, several times: what `triptych compare` measures, for the bench.

    python -m tests.benchmarks.bench_comparison [--seconds N] [--rounds N] [--quick]

In each round every model takes its turn in every way. Writes var/benchmarks/comparison.json, with
the machine, after each round.
"""

import argparse
import importlib
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.comparison import keep
from tests.benchmarks.machine import describe_machine

MEASURING = "tasks.comparison.measuring.run"
MODELS = ("fraud", "sentiment")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=240.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a quarter of the seconds")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/comparison.json"))
    given = parser.parse_args()
    measuring: Any = importlib.import_module(MEASURING)  # a part that may be left out
    seconds = given.seconds / 4 if given.quick else given.seconds
    rounds: list[Any] = []
    with tempfile.TemporaryDirectory() as scratch:  # in place of the user's home and champion
        for number in range(given.rounds):
            compared = measuring.measure_models(
                models=MODELS, home=Path(scratch), seconds=seconds, seed=number, report=print
            )
            rounds.append(compared.model_dump(mode="json"))
            keep({"machine": describe_machine(), "rounds": rounds}, given.output)


if __name__ == "__main__":
    main()
