"""Gives a home two models and a history: `python -m tests.benchmarks.soak.prepare HOME REQUESTS`.

A process of its own, so that TensorFlow's memory and threads are gone when the soak begins. The
first model is promoted. Prints both tags; the transactions that follow the history are in
`stream.parquet` in the home.
"""

import argparse
import json
from pathlib import Path

STREAM = "stream.parquet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("requests", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    tags = [make_model(given.home, number) for number in range(2)]
    promote(given.home, tags[0])
    write_history(given.home, given.requests, given.seed)
    print(json.dumps(tags))


def make_model(home: Path, number: int) -> str:
    """A network of the default recipe's size on a small simulation, put into the store."""
    from services.fraud.scoring import store
    from services.fraud.simulator import simulate
    from services.fraud.training.candidate import make_candidate, prepare_data
    from services.fraud.training.network import Recipe

    folder = home / f"model-{number}"
    data = prepare_data(simulate(customers=500, terminals=1_500, days=60))
    make_candidate(data, Recipe(seed=number, updates=500), folder, alerts_per_day=20)
    return store.save(folder, home)


def promote(home: Path, tag: str) -> None:
    """Make it the champion."""
    from services.fraud.scoring.registry import Registry

    Registry(home).promote(tag, "for the soak")


def write_history(home: Path, requests: int, seed: int) -> None:
    """The snapshot that the state starts from, and what comes after it."""
    from services.fraud.state.snapshot import write_snapshot
    from tests.benchmarks.soak.stream import simulate_days

    history, following = simulate_days(requests, seed)
    write_snapshot(history, int(history["time"].max()), home)
    following.to_parquet(home / STREAM)


if __name__ == "__main__":
    main()
