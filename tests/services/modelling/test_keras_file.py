"""What a description of a network holds, and what is made of it; also of those of Keras 2."""

import json

import numpy as np
import pytest

from services.modelling.keras import open_keras
from services.modelling.keras_file import (
    find_code,
    find_stateful,
    in_float32,
    in_free_batches,
    open_described,
    precisions,
    read_description,
    unrolled,
)


def layer(kind: str, module: str | None = "keras.layers", **config: object) -> dict[str, object]:
    return {"class_name": kind, "module": module, "config": config}


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (layer("Dense"), None),
        (layer("Dense", module=None), None),
        (layer("GlorotUniform", module=None), None),
        (layer("Functional", module=None), None),
        (layer("PositionalEncoding", module=None), "PositionalEncoding"),
        (layer("Add", "keras.src.ops.numpy"), None),
        (layer("Lambda"), "Lambda"),
        (layer("TFSMLayer"), "TFSMLayer"),
        (layer("Dense", "os"), "os.Dense"),
        (layer("get_file", "keras.utils"), "keras.utils.get_file"),
        (layer("Dense", "keras.src.saving.serialization_lib"), "keras.src.saving"),
        (layer("Dense", "kerasx"), "kerasx.Dense"),
        ({"class_name": "function", "module": "builtins", "config": "eval"}, "the function eval"),
    ],
)
def test_code_is_found_at_any_depth(part, found):
    """Only what Keras exports as a part of a network passes, also in a list within a layer."""
    shown = find_code({"config": {"layers": [layer("Dense", activation=part)]}})
    assert shown is None if found is None else str(shown).startswith(found)


def test_fixed_batches_are_freed_and_memory_between_calls_is_found():
    """At any depth, in the words of Keras 2 and 3."""
    description = {
        "config": {
            "layers": [
                layer("InputLayer", batch_shape=[1, 30]),
                layer("LSTM", batch_input_shape=[2, 1, 3], stateful=True, name="memory"),
            ]
        }
    }
    first, second = in_free_batches(description)["config"]["layers"]
    assert first["config"]["batch_shape"] == [None, 30]
    assert second["config"]["batch_input_shape"] == [None, 1, 3]
    assert find_stateful(description) == "memory"
    assert find_stateful(first) is None


def test_layers_within_others_are_read_as_keras_2_wrote_them(tmp_path):
    """Their class without its module, and an option that Keras 3 has no more."""
    import h5py

    keras = open_keras()
    keras.utils.set_random_seed(0)
    layers = [keras.Input((2, 3)), keras.layers.Bidirectional(keras.layers.LSTM(2))]
    made = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
    made.save(tmp_path / "n.h5")
    with h5py.File(tmp_path / "n.h5", "r+") as file:
        description = json.loads(file.attrs["model_config"])
        for part in description["config"]["layers"]:
            for name in ("layer", "backward_layer"):
                if inner := part["config"].get(name):
                    part["config"][name] = {
                        "class_name": inner["class_name"],
                        "config": {**inner["config"], "time_major": False},
                    }
        file.attrs["model_config"] = json.dumps(description)

    opened = open_described(tmp_path / "n.h5", read_description(tmp_path / "n.h5"))

    rows = np.random.default_rng(0).standard_normal((5, 2, 3))
    assert np.array_equal(opened.predict(rows, verbose=0), made.predict(rows, verbose=0))


def test_other_precisions_are_named_and_become_float32():
    """As a plain type and as a policy; whole numbers stay."""
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    description = [layer("Dense", dtype=policy), layer("Input", dtype="float64", name="float64")]
    description.append(layer("Embedding", dtype="int32"))

    assert precisions(description) == {"mixed_float16", "float64"}
    plain = in_float32(description)
    assert precisions(plain) == set()
    assert plain[1]["config"] == {"dtype": "float32", "name": "float64"}
    assert plain[2] == description[2]


def test_recurrent_layers_alone_are_unrolled():
    """Also within other layers."""
    description = layer("Bidirectional", layer=layer("LSTM", units=2), other=layer("Dense"))
    settings = unrolled(description)["config"]
    assert settings["layer"]["config"] == {"units": 2, "unroll": True}
    assert settings["other"] == layer("Dense")
