"""Networks from elsewhere: which are taken, and what the others are told."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.fraud.errors import ModelError
from services.fraud.registration.network_file import NetworkOptions, open_network
from services.fraud.registration.packaging import package_network
from services.fraud.scoring.card import Card
from services.fraud.training.conversion import keras_probabilities, tflite_probabilities
from services.fraud.transactions.features import FEATURES
from services.modelling.keras import open_keras


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
    assert len(card.golden) == 8


def test_network_is_evaluated_on_transactions_if_there_are_some(
    tmp_path, training_data, model_folder
):
    """Its card then has figures and ranges, like that of a trained one."""
    card = package_network(model_folder / "model.keras", 0.3, tmp_path, training_data)

    trained = Card.read(model_folder)
    assert (card.metrics, card.baseline_metrics) == (trained.metrics, trained.baseline_metrics)
    assert card.features == trained.features
    assert card.data_digest == trained.data_digest


@pytest.mark.parametrize(
    ("layers", "width", "message"),
    [
        (lambda k: [k.Dense(1, activation="sigmoid")], 14, None),
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


def own_loss(truth: Any, answer: Any) -> Any:
    return open_keras().ops.mean((truth - answer) ** 2)


def own_start(shape: Any, dtype: Any = None) -> Any:
    return open_keras().ops.ones(shape)


def own_activation(values: Any) -> Any:
    return values


def training_code() -> dict[str, Any]:
    """Somebody's own code for training, of each kind."""
    keras = open_keras()

    class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[name-defined, misc]
        def __call__(self, step):
            return 0.1

        def get_config(self):
            return {}

    class Descent(keras.optimizers.Adam):  # type: ignore[name-defined, misc]
        pass

    return {
        "loss": {"loss": own_loss},
        "metric": {"loss": "mse", "metrics": [own_loss]},
        "rate": {"loss": "mse", "optimizer": keras.optimizers.Adam(Rate())},
        "optimizer": {"loss": "mse", "optimizer": Descent()},
    }


@pytest.mark.parametrize("kind", ["loss", "metric", "rate", "optimizer"])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_for_training_keeps_no_network_out(tmp_path, kind, suffix):
    """It is no part of what answers, and is not run; within a network no more than around it."""
    keras = open_keras()
    made = usual()
    made.compile(**training_code()[kind])
    made.fit(np.zeros((4, 15)), np.zeros((4, 1)), verbose=0)
    outer = keras.Sequential([keras.Input((15,)), made])
    rows = np.random.default_rng(1).random((50, 15))
    for name, network in (("plain", made), ("outer", outer)):
        network.save(tmp_path / f"{name}{suffix}")

        opened = open_network(tmp_path / f"{name}{suffix}")

        assert np.array_equal(keras_probabilities(opened, rows), keras_probabilities(made, rows))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_for_weights_in_training_keeps_no_network_out(tmp_path, suffix):
    """Initializers, regularizers and constraints: the weights are what they became."""
    keras = open_keras()

    class Start(keras.initializers.Initializer):  # type: ignore[name-defined, misc]
        def __call__(self, shape, dtype=None):
            return keras.ops.ones(shape) / 100

        def get_config(self):
            return {}

    class Shrink(keras.regularizers.Regularizer):  # type: ignore[name-defined, misc]
        def __call__(self, weights):
            return keras.ops.sum(weights)

        def get_config(self):
            return {}

    class Keep(keras.constraints.Constraint):  # type: ignore[name-defined, misc]
        def __call__(self, weights):
            return weights

        def get_config(self):
            return {}

    layers = keras.layers
    made = network(
        layers.Dense(
            4, kernel_initializer=Start(), kernel_regularizer=Shrink(), bias_constraint=Keep()
        ),
        layers.Dense(3, bias_initializer=own_start),
        layers.Dense(2, kernel_initializer="he_normal", kernel_regularizer="l2"),
        layers.Dense(1, activation="sigmoid"),
    )
    made.save(tmp_path / f"own{suffix}")
    rows = np.random.default_rng(1).random((50, 15))

    opened = open_network(tmp_path / f"own{suffix}")

    assert np.array_equal(keras_probabilities(opened, rows), keras_probabilities(made, rows))


def in_policy(policy: str) -> Any:
    """A network whose layers compute in another precision."""
    keras = open_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return usual()
    finally:
        keras.config.set_dtype_policy(before)


def reading_float64() -> Any:
    """A network whose input alone is of another precision."""
    keras = open_keras()
    return keras.Sequential(
        [keras.Input((15,), dtype="float64"), keras.layers.Dense(1, activation="sigmoid")]
    )


@pytest.mark.parametrize(
    ("make", "tolerance"),
    [
        (reading_float64, 1e-6),
        (lambda: in_policy("float64"), 1e-6),
        (lambda: in_policy("mixed_float16"), 1e-2),
        (lambda: in_policy("mixed_bfloat16"), 5e-2),
        (lambda: in_policy("float16"), 1e-2),
    ],
)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_other_precisions_are_run_in_float32(tmp_path, make, tolerance, suffix):
    """With the same answers, as far as the network itself was exact."""
    made = make()
    made.save(tmp_path / f"other{suffix}")

    package_network(tmp_path / f"other{suffix}", 0.5, tmp_path / "folder")

    rows = np.random.default_rng(1).random((100, 15)).astype(np.float32)
    found = tflite_probabilities(tmp_path / "folder" / "model.tflite", rows)
    assert np.abs(found - keras_probabilities(made, rows)).max() < tolerance


def test_recurrent_layers_are_unrolled(tmp_path):
    """TFLite does not know their loops; the answers are the same, also within other layers."""
    layers = open_keras().layers
    made = network(
        layers.Reshape((3, 5)),
        layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
        layers.Bidirectional(layers.GRU(2, return_sequences=True)),
        layers.SimpleRNN(2),
        layers.Dense(1, activation="sigmoid"),
    )
    made.save(tmp_path / "steps.keras")

    package_network(tmp_path / "steps.keras", 0.5, tmp_path / "folder")

    rows = np.random.default_rng(1).random((100, 15)).astype(np.float32)
    found = tflite_probabilities(tmp_path / "folder" / "model.tflite", rows)
    assert np.abs(found - keras_probabilities(made, rows)).max() < 1e-5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda k: [k.layers.Dense(1, activation=own_activation)],
            r"code of its own \(the function own_activation\)",
        ),
        (
            lambda k: [k.layers.Dense(2, activation="softmax")],
            r'not one probability a row: end it with Dense\(1, activation="sigmoid"\)',
        ),
        (
            lambda k: [
                k.layers.Dense(
                    1, bias_initializer=k.initializers.Constant(float("nan")), activation="sigmoid"
                )
            ],
            "answers with NaN or infinity",
        ),
    ],
)
def test_fault_says_in_one_line_what_to_do(tmp_path, make, message):
    """Whatever Keras or TensorFlow would say."""
    file = tmp_path / "odd.keras"
    network(*make(open_keras())).save(file)

    with pytest.raises(ModelError, match=message) as caught:
        open_network(file)
    assert "\n" not in str(caught.value)


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


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_network_that_does_not_know_its_input_is_told_what_to_do(tmp_path):
    """Keras saves such, too."""
    keras = open_keras()
    keras.Sequential([keras.layers.Dense(1, activation="sigmoid")]).save(tmp_path / "open.keras")
    with pytest.raises(ModelError, match=r"does not say what it reads: begin .* Input\(\(15,\)\)"):
        open_network(tmp_path / "open.keras")


def test_damaged_archive_is_told(tmp_path):
    """Its directory is whole, and its description is not."""
    usual().save(tmp_path / "n.keras")
    content = bytearray((tmp_path / "n.keras").read_bytes())
    place = content.index(b"config.json") + len(b"config.json") + 20
    content[place : place + 40] = bytes(40)
    (tmp_path / "n.keras").write_bytes(content)
    with pytest.raises(ModelError, match="holds no whole network"):
        open_network(tmp_path / "n.keras")


def test_features_are_named_where_the_width_is_wrong(tmp_path):
    """So that the user sees what the service would send."""
    network(open_keras().layers.Dense(1, activation="sigmoid"), width=3).save(tmp_path / "n.keras")
    with pytest.raises(ModelError, match=", ".join(FEATURES)):
        open_network(tmp_path / "n.keras", NetworkOptions(features="handbook"))


def test_a_network_that_answers_with_one_name_is_taken(tmp_path):
    """A dictionary of one output leaves no choice."""
    keras = open_keras()
    given = keras.layers.Input((len(FEATURES),))
    answer = keras.layers.Dense(1, activation="sigmoid")(given)
    made = keras.Model(given, {"p": answer})
    made.save(tmp_path / "named.keras")

    rows = np.random.default_rng(1).random((50, 15)).astype(np.float32)
    found = keras_probabilities(open_network(tmp_path / "named.keras"), rows)
    assert np.abs(found - made.predict(rows, verbose=0)["p"][:, 0]).max() < 1e-6
