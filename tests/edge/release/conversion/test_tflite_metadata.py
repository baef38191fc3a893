"""What TFLite metadata says of pixels is read from the file that MediaPipe reads it from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.release.conversion.inspection import ModelHints, inspect_model
from edge.release.conversion.tflite_metadata import Normalisation, read_normalisation
from edge.release.phone.graph import Graph
from edge.release.phone.metadata import write_metadata
from tests.edge.device.samples import make_manifest
from tests.edge.release.conversion.test_answers import found, painted
from tests.edge.release.squares import COLOURS, SQUARES, write_detector


def describe(file: Path, mean: float, std: float) -> Path:
    """The same file with metadata, as TensorFlow's writer leaves it."""
    manifest = make_manifest()
    spec = replace(manifest.input, dtype="float32", mean=mean, std=std)
    graph = Graph.read(file.read_bytes())
    graph.describe(write_metadata(replace(manifest, input=spec), ("boxes",)))
    file.write_bytes(graph.write())
    return file


def test_mean_and_std_are_read(tmp_path):
    """Of one value for all channels; a file without metadata says nothing."""
    file = write_detector(tmp_path, "v8")

    assert read_normalisation(file) is None
    assert read_normalisation(describe(file, 127.5, 64.0)) == Normalisation((127.5,), (64.0,))


def test_damaged_file_says_nothing_and_breaks_nothing(tmp_path):
    """Wherever it is cut off or another byte stands."""
    content = describe(write_detector(tmp_path, "v8"), 127.5, 64.0).read_bytes()
    damaged = tmp_path / "damaged.tflite"
    rng = np.random.default_rng(0)

    for _ in range(300):
        values = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, len(values), 40)
        values[places] = rng.integers(0, 256, 40)
        damaged.write_bytes(values[: rng.integers(0, 2 * len(values))].tobytes())
        said = read_normalisation(damaged)
        assert said is None or all(std > 0 for std in said.std)


def test_model_is_read_as_its_metadata_says(tmp_path):
    """Not as is usual for its layout; the publishing says so."""
    file = describe(write_detector(tmp_path, "v8_centred"), 127.5, 127.5)

    inspection = inspect_model(file, COLOURS, SQUARES)

    assert (inspection.input.mean, inspection.input.std) == (127.5, 127.5)
    assert inspection.notes == (
        "Pixels are read as (pixel - 127.5) / 127.5, as the file's metadata says.",
    )
    assert found(tmp_path, file, inspection, COLOURS, SQUARES[0]) == painted(0)


@pytest.mark.parametrize("form", ["ssd_int8_lite", "ssd_tf2_int8_lite"])
def test_efficientdet_lite_is_read_in_either_order(tmp_path, form):
    """Bytes of a camera, of which its metadata says what its own scale does; four outputs."""
    file = describe(write_detector(tmp_path, form), 127.0, 128.0)

    inspection = inspect_model(file, COLOURS, SQUARES)

    spec = inspection.input
    assert (inspection.output.layout, spec.dtype, spec.fit) == ("ssd", "uint8", "stretch")
    assert (spec.mean, spec.std) == pytest.approx((127, 128), abs=0.1)
    for seed, picture in enumerate(SQUARES):
        seen = found(tmp_path, file, inspection, COLOURS, picture)
        assert [label for label, _ in seen] == [label for label, _ in painted(seed)]
        for (_, box), (_, drawn) in zip(seen, painted(seed), strict=True):
            assert box == pytest.approx(drawn, abs=1)


def test_publisher_goes_before_metadata_and_is_told(tmp_path):
    """Whoever names mean and std knows better, but may not know what the file says."""
    file = describe(write_detector(tmp_path, "v8"), 127.5, 127.5)

    inspection = inspect_model(file, COLOURS, SQUARES, ModelHints(mean=0.0, std=255.0))

    assert (inspection.input.mean, inspection.input.std) == (0, 255)
    assert inspection.notes == (
        "Pixels are read as (pixel - 0) / 255, as --mean and --std say, although the file's"
        " metadata says (pixel - 127.5) / 127.5.",
    )
    assert found(tmp_path, file, inspection, COLOURS, SQUARES[0]) == painted(0)
