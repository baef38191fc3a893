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
    parser.add_argument("--seconds", type=float, default=10.0, help="of each scenario")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two seconds of each scenario")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/comparison.json"))
    given = parser.parse_args()
    measuring: Any = importlib.import_module(MEASURING)  # a part that may be left out
    seconds = 2.0 if given.quick else given.seconds
    rounds: list[Any] = []
    for number in range(given.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            compared = measuring.measure_models(
                models=MODELS, home=Path(scratch), seconds=seconds, seed=number, report=print
            )
        rounds.append(compared.model_dump(mode="json"))
        keep({"machine": describe_machine(), "rounds": rounds}, given.output)


if __name__ == "__main__":
    main()
