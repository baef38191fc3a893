"""A small simulated world and a model trained on it, once per run of the tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.fraud.scoring.card import OWN, Card, FeatureRange, Parity
from services.fraud.simulator import simulate
from services.fraud.training.candidate import (
    TrainingData,
    make_candidate,
    prepare_data,
    write_forms,
)
from services.fraud.training.conversion import golden_answers
from services.fraud.training.network import Recipe
from services.modelling.keras import open_keras
from tests.once import made_once

TINY = Recipe(widths=(16,), branches=2, max_epochs=6, batch_rows=64, learning_rate=5e-3)


@pytest.fixture(scope="session")
def transactions() -> pd.DataFrame:
    """Sixty days of few customers, about 68,000 transactions."""
    return simulate(customers=600, terminals=4_000, days=60, seed=1)


@pytest.fixture(scope="session")
def training_data(transactions: pd.DataFrame) -> TrainingData:
    """The transactions with features, a week to train on and one to test."""
    return prepare_data(transactions)


@pytest.fixture(scope="session")
def model_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.keras, model.tflite and card.json of a network that has learnt a little.

    Never write to it.
    """

    def make(folder: Path) -> None:
        data = request.getfixturevalue("training_data")
        make_candidate(data, TINY, folder, alerts_per_day=10)

    return made_once(tmp_path_factory, "candidate", make)


@pytest.fixture(scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reads features of its own, V1, V2 and Amount. Never write to it."""

    def make(folder: Path) -> None:
        keras = open_keras()
        layers = [keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")]
        network = keras.Sequential(layers)
        network.layers[-1].set_weights([np.array([[1.0], [-2.0], [0.01]]), np.array([-1.0])])
        tflite = write_forms(network, folder)
        typical = {"V1": 0.5, "V2": 0.0, "Amount": 20.0}
        Card(
            contract=OWN,
            features=tuple(FeatureRange(name=name, typical=typical[name]) for name in typical),
            threshold=0.5,
            code_version="test",
            parity=Parity(rows=1, largest_difference=0),
            golden=golden_answers(tflite, np.array([[-3.0, 2.0, 5.0], [2.0, -1.0, 90.0]])),
        ).write(folder)

    return made_once(tmp_path_factory, "own", make)


@pytest.fixture(scope="session")
def published_table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The simulation with its default arguments, 1,754,155 transactions."""
    file = made_once(tmp_path_factory, "published.pickle", lambda file: simulate().to_pickle(file))
    table: pd.DataFrame = pd.read_pickle(file)
    return table
