"""Networks from elsewhere: which are taken, and what the others are told."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.fraud.card import Card
from services.fraud.errors import ModelError
from services.fraud.features import FEATURES
from services.fraud.training.conversion import keras_probabilities, tflite_probabilities
from services.fraud.training.framework import open_keras
from services.fraud.training.network_file import open_network, package_network


def network(*layers: Any, width: int = 15) -> Any:
    keras = open_keras()
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((width,)), *layers])


def usual() -> Any:
    """As people build them: with layers that act otherwise in training."""
    layers = open_keras().layers
    return network(
        layers.Dense(32, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.Dense(1, activation="sigmoid"),
    )


@pytest.mark.parametrize("name", ["fraud_detection_model.h5", "model.keras"])
def test_network_is_packaged_as_it_is(tmp_path, name):
    """Both file forms; the TFLite form answers the same; nothing is known of its features."""
    made = usual()
    made.save(tmp_path / name)

    card = package_network(tmp_path / name, 0.5, tmp_path / "folder")

    rows = np.random.default_rng(1).random((100, 15)).astype(np.float32)
    found = tflite_probabilities(tmp_path / "folder" / "model.tflite", rows)
    assert np.abs(found - keras_probabilities(made, rows)).max() < 1e-5
    assert card == Card.read(tmp_path / "folder")
    assert (card.name, card.threshold) == (Path(name).stem, 0.5)
    assert card.metrics is None and card.trained_at is None and card.alerts_per_day is None
    assert {feature.typical for feature in card.features} == {None}
    assert len(card.canary) == 8


def test_network_is_evaluated_on_transactions_if_there_are_some(tmp_path, material, model_folder):
    """Its card then has figures and ranges, like that of a trained one."""
    card = package_network(model_folder / "model.keras", 0.3, tmp_path, material)

    trained = Card.read(model_folder)
    assert (card.metrics, card.floor_metrics) == (trained.metrics, trained.floor_metrics)
    assert card.features == trained.features
    assert card.data_digest == trained.data_digest


@pytest.mark.parametrize(
    ("layers", "width", "message"),
    [
        (lambda k: [k.Dense(1, activation="sigmoid")], 14, r"reads \(None, 14\), not 15"),
        (lambda k: [k.Dense(2, activation="softmax")], 15, r"answers with \(None, 2\)"),
        (lambda k: [k.Dense(1)], 15, "no probabilities: end the network with a sigmoid"),
        (lambda k: [k.Dense(1, activation="softmax")], 15, "answers 1 to everything"),
        (lambda k: [k.Lambda(lambda x: x * 2), k.Dense(1)], 15, r"code of its own \(Lambda\)"),
        (lambda k: [k.Dense(1, activation="sigmoid", bias_initializer="ones")], 15, None),
    ],
)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_network_of_another_kind_is_told_why(tmp_path, layers, width, message, suffix):
    """Shape, range, a constant answer, code in the file."""
    file = tmp_path / f"network{suffix}"
    network(*layers(open_keras().layers), width=width).save(file)

    if message is None:
        open_network(file)
    else:
        with pytest.raises(ModelError, match=message):
            open_network(file)


def test_class_of_its_own_is_refused_by_name(tmp_path):
    """Even where this process knows the class."""
    keras = open_keras()

    @keras.saving.register_keras_serializable(package="theirs")
    class Doubled(keras.layers.Layer):  # type: ignore[name-defined, misc]
        def call(self, values):
            return values * 2

    network(Doubled(), keras.layers.Dense(1, activation="sigmoid")).save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match=r"code of its own \(.*Doubled\)"):
        open_network(tmp_path / "own.keras")


def test_file_that_holds_no_network_is_told_what_is_needed(tmp_path):
    """Missing, a folder, a pickle, a text, weights alone, half a file."""
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"weights": 1}))
    (tmp_path / "model.h5").write_bytes(pickle.dumps({"weights": 1}))
    (tmp_path / "text.keras").write_text("a network")
    usual().save_weights(tmp_path / "some.weights.h5")
    usual().save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])

    for name, message in {
        "missing.h5": "does not exist",
        "saved_model": r"is a folder \(a SavedModel\?\)",
        "model.pkl": "no pickle",
        "model.h5": "no Keras network",
        "text.keras": "no Keras network",
        "some.weights.h5": "not its weights",
        "half.keras": "no Keras network",
    }.items():
        with pytest.raises(ModelError, match=message):
            open_network(tmp_path / name)


def test_features_are_named_where_the_width_is_wrong(tmp_path):
    """So that the user sees what the service would send."""
    network(open_keras().layers.Dense(1, activation="sigmoid"), width=3).save(tmp_path / "n.keras")
    with pytest.raises(ModelError, match=", ".join(FEATURES)):
        open_network(tmp_path / "n.keras")
