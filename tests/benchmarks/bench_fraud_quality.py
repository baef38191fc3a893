"""Quality of the fraud network beside the published figures, on the published transactions.

    python -m tests.benchmarks.bench_fraud_quality [--seeds N] [--quick]

The Fraud Detection Handbook's protocol: seven days to train on, seven of delay, seven to test,
in four folds; the one that trains from 2018-07-25 is its baseline week. The recipe was chosen on
folds before these. The second table trains on the four weeks before the delay, as the flow does.
Writes var/benchmarks/quality.json, with the machine, after each number of days: of each seed the
means over the folds. The same seeds give the same figures.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.scoring.evaluation import Metrics, baseline_split
from services.fraud.simulator import simulate
from services.fraud.training.baseline import logistic_baseline
from services.fraud.training.candidate import TrainingData
from services.fraud.training.conversion import keras_probabilities
from services.fraud.training.network import Recipe, fit
from services.fraud.transactions.features import table_features
from tests.benchmarks.comparison import format_metric, keep
from tests.benchmarks.machine import describe_machine

BASELINE = date(2018, 7, 25)
FOLDS = (BASELINE, date(2018, 8, 1), date(2018, 8, 8), date(2018, 8, 15))
WEEKS = (7, 28)  # days to train on
MEASURES = ("auc_roc", "average_precision", "card_precision")
OURS = "network"
FLOOR = "logistic regression"
LINE = "{:<42} {:>6} {:>6} {:>7} {:>7} {:>8}"
PUBLISHED = {  # AUC ROC, average precision, card precision@100
    "baseline week": {"Handbook, first network": (0.864, 0.653, 0.286)},
    "mean of four folds": {
        "Handbook, feed-forward network": (0.876, 0.675, 0.303),
        "Handbook, best of all models": (0.879, 0.687, 0.305),
    },
}


def folds(data: TrainingData, train_days: int) -> Iterator[tuple[date, TrainingData]]:
    """The same tests for each number of days, which end where the delay begins."""
    for start in FOLDS:
        split = baseline_split(data.table, start)
        earlier = start - timedelta(days=train_days - 7)
        train = baseline_split(data.table, earlier, train_days).train
        yield start, replace(data, split=replace(split, train=train))


def measure(fold: TrainingData, seed: int) -> tuple[Metrics, Metrics]:
    """Of the network and of the floor."""
    train, test = fold.split.train, fold.split.test
    network = fit(fold.rows[train], fold.is_fraud[train], Recipe(seed=seed))
    floor = logistic_baseline(fold.rows[train], fold.is_fraud[train], fold.rows[test])
    return fold.evaluate(keras_probabilities(network, fold.rows[test])), fold.evaluate(floor)


def row(name: str, metrics: list[Metrics]) -> str:
    """The mean of the measures."""
    auc, precision, cards, share, error = np.array(
        [
            [
                m.auc_roc,
                m.average_precision,
                m.card_precision,
                m.share_of_oracle,
                m.calibration_error,
            ]
            for m in metrics
        ],
        dtype=float,
    ).mean(axis=0)
    patterns = (".3f", ".3f", ".3f", ".1%", ".4f")
    figures = (auc, precision, cards, share, error)
    told = [
        format_metric(None if np.isnan(figure) else float(figure), pattern)
        for figure, pattern in zip(figures, patterns, strict=True)
    ]
    return LINE.format(name, *told)


def by_seed(metrics: list[Metrics], seeds: int) -> list[dict[str, float | None]]:
    """Of each seed the mean of each measure over the folds; None where a fold has none.

    metrics: of each fold, those of all seeds in order.
    """
    means = []
    for seed in range(seeds):
        folds_of_seed = metrics[seed::seeds]
        of_seed: dict[str, float | None] = {}
        for name in MEASURES:
            found = [getattr(each, name) for each in folds_of_seed]
            of_seed[name] = None if None in found else float(np.mean(found))
        means.append(of_seed)
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="seven days to train on alone")
    parser.add_argument("--output", type=Path, default=Path("var/benchmarks/quality.json"))
    given = parser.parse_args()
    if given.seeds < 1:
        parser.error("--seeds: give 1 or more")
    seeds = range(given.seeds)
    table = simulate()
    data = TrainingData(table, table_features(table), baseline_split(table, BASELINE), "")
    train, test = data.split.train, data.split.test
    counts = [(m.sum(), data.is_fraud[m].sum()) for m in (train, test)]
    print("baseline week: train {:,} / {:,}, test {:,} / {:,} frauds".format(*sum(counts, ())))
    results: dict[str, Any] = {"machine": describe_machine(), "published": {}, "days": {}}
    for name, figures in PUBLISHED["mean of four folds"].items():
        results["published"][name] = dict(zip(MEASURES, figures, strict=True))
    for train_days in WEEKS[:1] if given.quick else WEEKS:
        began = time.perf_counter()
        print(f"\n{train_days} days to train on")
        print(LINE.format("", "AUC", "AP", "CP@100", "oracle", "ECE"))
        ours: list[Metrics] = []
        floors: list[Metrics] = []
        for start, fold in folds(data, train_days):
            measured = [measure(fold, seed) for seed in seeds]
            ours += [network for network, _ in measured]
            floors += [floor for _, floor in measured]
            print(row(f"test from {start + timedelta(days=14)}", ours[-len(seeds) :]))
            if start == BASELINE:
                _show_published("baseline week")
        print(row("mean of four folds", ours))
        print(row(f"  {FLOOR}", floors))
        _show_published("mean of four folds")
        results["days"][train_days] = {
            OURS: by_seed(ours, given.seeds),
            FLOOR: by_seed(floors, given.seeds),
        }
        keep(results, given.output)
        print(f"  {time.perf_counter() - began:.0f} s")


def _show_published(what: str) -> None:
    for name, figures in PUBLISHED[what].items():
        print(LINE.format(f"  {name}", *(f"{figure:.3f}" for figure in figures), "", ""))


if __name__ == "__main__":
    main()
