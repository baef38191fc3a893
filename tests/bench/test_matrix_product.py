"""The limit of the text models."""

import dataclasses

import pytest

from tasks.sentiment.scoring.encoder import read_encoder
from tasks.sentiment.scoring.model import find_model
from tests.benchmarks.peers import matrix_product
from tests.benchmarks.peers.matrix_product import MatrixProduct, operations
from tests.tasks.sentiment.tiny_model import write_model

WIDTH, WIDE, CLASSES = 32, 64, 2


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Two layers of 32."""
    folder = tmp_path_factory.mktemp("model")
    model = find_model(str(write_model(folder / "model")), cache=folder)
    return read_encoder(model.path, model.config, model.inputs.first_position)


def test_operations_are_those_of_the_products(encoder):
    """Counted by hand, for texts of three and of five tokens: 2 for each weight and token."""
    head = 2 * (WIDTH * WIDTH + WIDTH * CLASSES)
    attended = 4 * WIDTH  # of a pair of tokens: query by key, then weight by value
    whole = 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * WIDE)  # of a token
    keys_and_values = 2 * 2 * WIDTH * WIDTH
    first_layer = 8 * whole + (9 + 25) * attended
    last_layer = 8 * keys_and_values + 2 * (whole - keys_and_values) + 8 * attended
    assert operations(encoder, [3, 5]) == first_layer + last_layer + 2 * head


def test_only_the_last_layer_is_spared(encoder):
    """One layer alone is the last one."""
    alone = dataclasses.replace(encoder, layers=encoder.layers[:1])
    assert operations(alone, [5]) < operations(encoder, [5]) - operations(alone, [5])


@pytest.mark.parametrize("precision", ["float32", "int8", "bfloat16"])
def test_product_is_measured_in_each_type(precision, monkeypatch):
    """At least one product on each core, however short the time."""
    monkeypatch.setattr(matrix_product, "SIDE", 64)
    monkeypatch.setattr(matrix_product, "SECONDS", 0.0)
    assert MatrixProduct(precision).operations_per_second() > 0
