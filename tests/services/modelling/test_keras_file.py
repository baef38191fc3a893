"""What is found in the description of a network, and what is made of it, without opening one."""

import pytest

from services.modelling.keras_file import find_code, in_float32, precisions, unrolled


def layer(kind: str, module: str | None = "keras.layers", **config: object) -> dict[str, object]:
    return {"class_name": kind, "module": module, "config": config}


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (layer("Dense"), None),
        (layer("Dense", module=None), None),
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
