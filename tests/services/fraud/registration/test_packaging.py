"""A network of any number of inputs: what its model answers, and what its card says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.fraud.errors import ModelError
from services.fraud.registration.network_file import NetworkOptions, open_network
from services.fraud.registration.packaging import package_network
from services.fraud.registration.summary import render_markdown
from services.fraud.scoring.card import HANDBOOK, OWN, Card
from services.fraud.training.conversion import keras_probabilities, tflite_probabilities
from services.fraud.transactions.features import FEATURES
from services.modelling.keras import open_keras

KAGGLE = ("Time", *(f"V{place}" for place in range(1, 29)), "Amount")
STEPPED = np.random.default_rng(1).standard_normal((50, 12)).astype(np.float32)


def save(file: Path, shape: tuple[int, ...], make: Any, batch: int | None = None) -> Any:
    """A network of layers, saved; returns it."""
    keras = open_keras()
    keras.utils.set_random_seed(0)
    given = keras.Input(batch_shape=(batch, *shape))
    made = keras.Model(given, make(keras.layers, given))
    made.save(file)
    return made


def dense(layers: Any, values: Any) -> Any:
    values = layers.Dense(32, activation="relu")(values)
    return layers.Dense(1, activation="sigmoid")(values)


def answers(folder: Path, rows: Any) -> Any:
    return tflite_probabilities(folder / "model.tflite", rows)


def test_thirty_inputs_with_scaling_answer_as_keras_on_ten_thousand_rows(tmp_path):
    """Raw numbers go in; Keras gets what a scaler makes of them. To 1e-5, by either scaling."""
    made = save(tmp_path / "n.h5", (30,), dense)
    draws = np.random.default_rng(2)
    mean, scale = draws.uniform(-5, 90_000, 30), draws.uniform(0.5, 50_000, 30)
    rows = (mean + scale * draws.standard_normal((10_000, 30))).astype(np.float32)
    (tmp_path / "names.txt").write_text("\n".join(KAGGLE))
    files = {
        "mean.json": json.dumps({"mean": mean.tolist(), "scale": scale.tolist()}),
        "range.csv": "name,min,max\n"
        + "".join(
            f"{name},{low!r},{low + span!r}\n"
            for name, low, span in zip(KAGGLE, mean.tolist(), scale.tolist(), strict=True)
        ),
    }
    expected = made.predict((rows.astype(float) - mean) / scale, batch_size=10_000, verbose=0)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
        options = NetworkOptions(str(tmp_path / "names.txt"), tmp_path / name)

        card = package_network(tmp_path / "n.h5", 0.5, tmp_path / "m", options=options)

        assert np.abs(answers(tmp_path / "m", rows) - expected[:, 0]).max() < 1e-5
        assert (card.contract, card.names) == (OWN, KAGGLE)
        assert len(card.golden) == 8 and len(card.golden[0].features) == 30
        if name == "mean.json":
            assert [feature.typical for feature in card.features] == mean.tolist()
            assert card.assumed["reasons"] == "against typical values"
        else:
            assert card.features[0].minimum == mean[0] and card.features[0].typical is None
        assert str(tmp_path / name) in card.assumed["scaling"]
        assert "Time, V1, " in render_markdown("tag", card)
    again = open_network(tmp_path / "m" / "model.keras")
    assert np.abs(keras_probabilities(again, rows) - expected[:, 0]).max() < 1e-5


def convolved(layers: Any, values: Any) -> Any:
    values = layers.Conv1D(3, 2, padding="same")(values)
    return layers.Dense(1, activation="sigmoid")(layers.Flatten()(values))


def remembered(layers: Any, values: Any) -> Any:
    return layers.Dense(1, activation="sigmoid")(layers.LSTM(2)(values))


@pytest.mark.parametrize(
    ("shape", "make", "batch"),
    [
        ((12, 1), convolved, None),
        ((12, 1, 1), lambda k, given: dense(k, k.Flatten()(given)), None),
        ((1, 12), remembered, None),
        ((3, 4), remembered, None),
        ((12,), dense, 1),
    ],
)
def test_whatever_shape_a_network_reads_its_numbers_come_in_a_row(tmp_path, shape, make, batch):
    """Axes of one, time steps one after another, a batch that was fixed."""
    made = save(tmp_path / "n.keras", shape, make, batch)

    card = package_network(tmp_path / "n.keras", 0.5, tmp_path / "m")

    assert (card.width, card.names[0], card.contract) == (12, "feature_1", OWN)
    assert card.assumed["names"] == "made up, for none were given (--features)"
    plain = [made(STEPPED[i : i + 1].reshape(1, *shape)) for i in range(len(STEPPED))]
    found = answers(tmp_path / "m", STEPPED)
    assert np.abs(found - np.array(plain).reshape(-1)).max() < 1e-5
    steps = ", as 3 x 4, step by step" if shape == (3, 4) else ""
    assert card.assumed["input"] == f"12 numbers{steps}"


def heads(layers: Any, values: Any) -> Any:
    return {
        "score": layers.Dense(1, name="score")(values),
        "kinds": layers.Dense(3, name="kinds")(values),
        "pair": layers.Dense(2, activation="softmax", name="pair")(values),
    }


def softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("output", "positive", "expected"),
    [
        ("score:logit", None, lambda found: 1 / (1 + np.exp(-found["score"][:, 0]))),
        ("score:logit", 0, lambda found: 1 / (1 + np.exp(found["score"][:, 0]))),
        ("kinds:logit", 2, lambda found: softmax(found["kinds"])[:, 2]),
        ("pair", 1, lambda found: found["pair"][:, 1]),
        ("pair:softmax", 0, lambda found: found["pair"][:, 0]),
    ],
)
def test_output_that_is_asked_for_becomes_the_probability(tmp_path, output, positive, expected):
    """Log-odds, classes, or one of several outputs; the card says which."""
    made = save(tmp_path / "n.keras", (12,), heads)
    options = NetworkOptions(output=output, positive_class=positive)

    card = package_network(tmp_path / "n.keras", 0.5, tmp_path / "m", options=options)

    found = {name: np.asarray(part) for name, part in made.predict(STEPPED, verbose=0).items()}
    assert np.abs(answers(tmp_path / "m", STEPPED) - expected(found)).max() < 1e-5
    assert card.assumed["output"].startswith(output.partition(":")[0])


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (heads, {}, "has 3 outputs: .* --output .*score"),
        (heads, {"output": "fraud"}, "has the outputs .*score.* and the kinds are sigmoid"),
        (heads, {"output": "score:odd"}, "odd is none of sigmoid, logit, softmax"),
        (heads, {"output": "score"}, "no probabilities: .* --output logit"),
        (heads, {"output": "kinds", "positive_class": 1}, "neither one probability nor those of"),
        (heads, {"output": "kinds:softmax", "positive_class": 1}, "do not add up to 1"),
        (heads, {"output": "pair"}, "say which class is fraud, such as --positive-class 1"),
        (heads, {"output": "pair", "positive_class": 2}, "has the classes 0 to 1"),
        (lambda k, x: k.Dense(12)(k.Dense(3)(x)), {}, "is an autoencoder: .* its 12 inputs again"),
        (lambda k, x: k.Dense(3, activation="relu")(x), {}, r"\(None, 3\), .* \(an encoder's"),
        (dense, {"features": "handbook"}, "reads 12 numbers, not the Handbook's 15 features"),
    ],
)
def test_choice_that_is_not_sure_is_refused_with_the_option(tmp_path, make, options, message):
    """And what is no probability for what it is."""
    save(tmp_path / "n.keras", (12,), make)
    with pytest.raises(ModelError, match=message) as caught:
        open_network(tmp_path / "n.keras", NetworkOptions(**options))
    assert "\n" not in str(caught.value)


def test_layer_that_remembers_and_several_inputs_are_refused(tmp_path):
    """An answer is to one row alone, and a row is one list."""
    keras = open_keras()
    save(tmp_path / "s.keras", (3, 4), lambda k, x: dense(k, k.LSTM(2, stateful=True)(x)), 1)
    with pytest.raises(ModelError, match=r"lstm\w* remembers what it was asked before"):
        open_network(tmp_path / "s.keras")
    ends = [keras.Input((2,)), keras.Input((3,))]
    joined = dense(keras.layers, keras.layers.Concatenate()(ends))
    keras.Model(ends, joined).save(tmp_path / "two.keras")
    with pytest.raises(ModelError, match="reads 2 inputs"):
        open_network(tmp_path / "two.keras")


def test_fifteen_inputs_are_the_handbooks_only_if_somebody_says_so(tmp_path, model_folder):
    """An option, the names themselves, or a card of ours beside the file."""
    save(tmp_path / "n.keras", (15,), dense)
    (tmp_path / "names.csv").write_text(",".join(FEATURES) + "\n")

    def card(features: str | None, file: Path = tmp_path / "n.keras") -> Card:
        options = NetworkOptions(features=features)
        return package_network(file, 0.5, tmp_path / "m", options=options)

    assert card(None).contract == OWN and card(None).names[14] == "feature_15"
    assert card("handbook").contract == card(str(tmp_path / "names.csv")).contract == HANDBOOK
    assert card(None, model_folder / "model.keras").contract == HANDBOOK


def test_known_rows_are_the_golden_ones_and_catch_a_wrong_order(tmp_path):
    """With the answers that they are known to have; their median is typical."""
    made = save(tmp_path / "n.keras", (12,), dense)
    names = [f"f{place}" for place in range(12)]
    (tmp_path / "names.json").write_text(json.dumps(names))
    (tmp_path / "turned.json").write_text(json.dumps(names[::-1]))
    rows = STEPPED[:20].round(3)
    probabilities = made.predict(rows, verbose=0)[:, 0].round(4)
    lines = [",".join(map(str, [7, *row, p])) for row, p in zip(rows, probabilities, strict=True)]
    known = tmp_path / "known.csv"
    known.write_text("\n".join([",".join(["id", *names, "probability"]), *lines]))

    def card(features: str, threshold: float = 1.0) -> Card:
        options = NetworkOptions(features=str(tmp_path / features), known=known)
        return package_network(tmp_path / "n.keras", threshold, tmp_path / "m", options=options)

    found = card("names.json")
    assert {answer.features for answer in found.golden} == {
        tuple(map(float, row.astype(np.float32))) for row in rows
    }
    assert [f.typical for f in found.features] == pytest.approx(np.median(rows, axis=0).tolist())
    with pytest.raises(ModelError, match=r"row \d+ is known to give 0\.\d{6}, .* features' order"):
        card("turned.json")
    assert "float32" not in found.assumed


def test_feature_that_loses_digits_in_float32_is_told_by_its_name(tmp_path):
    """By its scaling, which cannot be sure, or by known rows."""
    save(tmp_path / "n.keras", (2,), dense)
    (tmp_path / "s.csv").write_text("name,mean,scale\npaid,1790000000,25000\ntotal,80,20\n")
    (tmp_path / "k.csv").write_text("".join(f"{1_790_000_000 + n * 900},{n}\n" for n in range(9)))
    (tmp_path / "years.csv").write_text("".join(f"{2_020_000 + n % 2},{n}\n" for n in range(9)))
    for given in ({"scaling": tmp_path / "s.csv"}, {"known": tmp_path / "k.csv"}):
        options = NetworkOptions(**given)
        card = package_network(tmp_path / "n.keras", 0.5, tmp_path / "m", options=options)
        told = "may lose digits of paid" if options.scaling else "loses digits of feature_1"
        assert f"{told} to 128, with a spread" in card.assumed["float32"]
        assert "total" not in card.assumed["float32"] and "subtract a constant" in render_markdown(
            "t", card
        )
    options = NetworkOptions(known=tmp_path / "years.csv")
    card = package_network(tmp_path / "n.keras", 0.5, tmp_path / "m", options=options)
    assert "float32" not in card.assumed  # whole numbers that are kept as they are


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2\n", "has 2 numbers in a row: 12 are needed"),
        ("a,b\n1,2\n", "has no column feature_1, .* --features, or leave the header out"),
        (",".join(["1"] * 11 + ["x"]) + "\n", "has no column|has 0 rows"),
        ("", "has 0 rows"),
    ],
)
def test_known_rows_that_do_not_fit_are_told(tmp_path, content, message):
    """Before anything is converted."""
    save(tmp_path / "n.keras", (12,), dense)
    (tmp_path / "known.csv").write_text(content)
    options = NetworkOptions(known=tmp_path / "known.csv")
    with pytest.raises(ModelError, match=message):
        package_network(tmp_path / "n.keras", 0.5, tmp_path / "m", options=options)


def test_names_that_do_not_fit_are_told(tmp_path):
    """Too few, twice the same, none."""
    save(tmp_path / "n.keras", (3,), dense)
    for content, message in {
        "a\nb\n": "has 2 names, and .* reads 3 numbers",
        "a\nb\na\n": "names a twice",
        "\n": "holds no names of features",
    }.items():
        (tmp_path / "names.txt").write_text(content)
        with pytest.raises(ModelError, match=message):
            open_network(tmp_path / "n.keras", NetworkOptions(str(tmp_path / "names.txt")))
