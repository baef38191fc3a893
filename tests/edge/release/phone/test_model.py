"""The file for phones is a detector as the network is."""

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edge.release.conversion.inspection import inspect_model
from edge.release.conversion.tflite_metadata import Normalisation, read_normalisation
from edge.release.errors import ModelFileError
from edge.release.phone.model import make_phone_model
from tests.edge.device.tiny import paint
from tests.edge.release.cells import candidate_of, draw_cells
from tests.edge.release.squares import SQUARES

CELLS = [paint(*draw_cells(9, seed)) for seed in range(3)]


@pytest.mark.parametrize("form", ["float32", "int8", "v8_int8_wide", "ssd_named"])
def test_a_device_finds_the_same_in_it(phone_of, form):
    """Also where its input had to become one that phones can give."""
    network, phone = phone_of(form)

    assert phone.manifest.output.layout == "ssd"
    for picture in CELLS if form in ("float32", "int8") else SQUARES:
        found, again = (
            sorted(
                (one.label, one.box.x0, one.box.y0, one.box.x1, one.box.y1, one.score)
                for one in each.open().detect(picture)
            )
            for each in (network, phone)
        )
        assert len(found) >= 6
        assert [row[0] for row in again] == [row[0] for row in found]
        for one, other in zip(again, found, strict=True):
            assert one[1:] == pytest.approx(other[1:], abs=0.01)


def test_its_network_is_the_same_to_the_byte(phone_of):
    """What was measured of it still holds."""
    network, phone = (each.model.read_bytes() for each in phone_of("int8"))
    weights, kept = (
        [model.Buffers(number).DataAsNumpy() for number in range(model.BuffersLength())]
        for model in (schema.Model.GetRootAs(content, 0) for content in (network, phone))
    )

    large = [values for values in weights if isinstance(values, np.ndarray) and values.size > 8]
    assert large
    assert {values.tobytes() for values in large} <= {
        values.tobytes() for values in kept if isinstance(values, np.ndarray)
    }


@pytest.mark.parametrize("form", ["float32", "v8_int8_wide"])
def test_its_metadata_says_how_it_is_read(phone_of, form):
    """Also to us, where such a file is published as a model."""
    _, phone = phone_of(form)
    spec, pictures = phone.manifest.input, CELLS if form == "float32" else SQUARES

    assert read_normalisation(phone.model) == Normalisation((spec.mean,), (spec.std,))
    again = inspect_model(phone.model, phone.manifest.labels, pictures).input
    assert again == replace(spec, fit="stretch")


def test_a_model_that_reads_blue_first_is_refused(tmp_path):
    """MediaPipe cannot be told."""
    candidate = candidate_of(tmp_path, "float32")
    blue_first = replace(candidate.manifest.input, colour_order="bgr")

    with pytest.raises(ModelFileError, match="red, green, blue"):
        make_phone_model(replace(candidate, manifest=replace(candidate.manifest, input=blue_first)))
