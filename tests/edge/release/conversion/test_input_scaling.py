"""What a pixel means is a question of the layout, not of the range that bytes were given."""

import numpy as np
import pytest
from edge_detector.contract.manifest import InputSpec
from edge_detector.inference.preprocess import Preprocessor
from edge_detector.inference.tensors import TensorInfo

from edge.release.conversion.input_scaling import Scaling, find_scaling, settle_scaling
from edge.release.conversion.inspection import ModelHints, inspect_model
from edge.release.conversion.tflite_metadata import Normalisation
from edge.release.errors import ModelFileError
from tests.edge.release.squares import COLOURS, SQUARES, write_detector


def tensor(dtype: str, low: float, high: float) -> TensorInfo:
    """An input whose bytes stand for low to high."""
    bounds = np.iinfo(dtype)
    scale = (high - low) / 255
    zero_point = round(bounds.min - low / scale)
    return TensorInfo(0, "input", (1, 4, 4, 3), np.dtype(dtype), scale, zero_point)


def scaling(info: TensorInfo, layout: str) -> Scaling:
    found = find_scaling(info, layout)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("layout", ["yolo_v5", "yolo_v8"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("ends", [(0, 1), (-1, 1), (-2.1, 2.6), (-0.1, 1.02), (0, 0.9), (0.1, 1)])
def test_yolo_reads_shares_whatever_its_bytes_stand_for(layout, dtype, ends):
    """A pixel arrives as pixel / 255, to half a step, or at the end of what there is."""
    info = tensor(dtype, *ends)

    found = scaling(info, layout)

    spec = InputSpec(height=4, width=4, dtype=found.dtype, mean=found.mean, std=found.std)
    for level in (0, 51, 128, 255):
        seen = info.real(Preprocessor(spec, info).prepare(np.full((4, 4, 3), level, np.uint8))[0])
        expected = np.clip(level / 255, *ends)
        assert np.allclose(seen, expected, atol=1.01 * info.scale)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0, 1), None),
        ((-0.001, 1.001), None),
        ((-2.1, 2.6), "stand for -2.1 to 2.6; YOLO reads pixel / 255"),
        ((0, 0.8), "what lies beyond is cut off"),
        ((0, 255), "pixels are passed on as they are"),
    ],
)
def test_note_says_where_scale_and_meaning_differ(ends, said):
    """And how to say better."""
    note = scaling(tensor("int8", *ends), "yolo_v8").note

    assert (note is None) if said is None else (note is not None and said in note)
    assert note is None or "--mean and --std" in note


def test_network_that_reads_pixels_gets_them():
    """A range of 0 to 255 has no room for 0 to 1."""
    found = scaling(tensor("int8", 0, 255), "yolo_v8")

    assert (found.mean, found.std) == (0, 1)


@pytest.mark.parametrize("layout", ["ssd", "points"])
def test_others_get_the_bytes_of_a_camera(layout):
    """As they are exported."""
    found = scaling(tensor("uint8", -1, 1), layout)

    assert found.note is None
    assert found.mean == pytest.approx(127.5, abs=0.5)
    assert found.std == pytest.approx(127.5, abs=0.1)


@pytest.mark.parametrize(("dtype", "mean"), [("uint8", 0), ("int8", 128)])
def test_bytes_without_a_scale_are_passed_through(dtype, mean):
    """All of them: none is cut off for its sign."""
    info = TensorInfo(0, "input", (1, 4, 4, 3), np.dtype(dtype))

    found = scaling(info, "yolo_v8")

    assert (found.mean, found.std) == (mean, 1)
    spec = InputSpec(height=4, width=4, dtype=found.dtype, mean=found.mean, std=found.std)
    white = Preprocessor(spec, info).prepare(np.full((4, 4, 3), 255, np.uint8))[0]
    assert (white == np.iinfo(dtype).max).all()


@pytest.mark.parametrize(("layout", "ends"), [("ssd", (127.5, 127.5)), ("yolo_v8", (0, 255))])
def test_floats_are_read_as_exporters_have_them(layout, ends):
    """-1 to 1, or 0 to 1."""
    info = TensorInfo(0, "input", (1, 4, 4, 3), np.dtype("float32"))

    found = scaling(info, layout)

    assert (found.dtype, found.mean, found.std, found.note) == ("float32", *ends, None)
    assert find_scaling(TensorInfo(0, "a", (1,), np.dtype("int64")), "ssd") is None


def test_publisher_overrules_and_hears_no_more_of_it(tmp_path):
    """Whoever names mean and std knows better."""
    file = write_detector(tmp_path, "v8_int8_wide")

    by_itself = inspect_model(file, COLOURS, SQUARES)
    told = inspect_model(file, COLOURS, SQUARES, ModelHints(mean=0.0, std=255.0))

    assert (by_itself.input.mean, by_itself.input.std) == (0, 255)
    assert any("YOLO reads pixel / 255" in note for note in by_itself.notes)
    assert told.input == by_itself.input and told.notes == ()


FLOATS = TensorInfo(0, "input", (1, 4, 4, 3), np.dtype("float32"))
PLAIN_BYTES = TensorInfo(0, "input", (1, 4, 4, 3), np.dtype("uint8"))


class TestMetadata:
    @pytest.mark.parametrize(
        ("info", "layout", "said", "read"),
        [
            (FLOATS, "yolo_v8", (127.5, 127.5), (127.5, 127.5)),
            (FLOATS, "ssd", (0, 1), (0, 1)),
            (tensor("uint8", -127 / 128, 1), "ssd", (127, 128), (127, 128)),
            (tensor("uint8", -1, 127 / 128), "ssd", (127.5, 127.5), (128, 128)),
            (tensor("int8", -2, 2.5), "yolo_v8", (0, 255), (0, 255)),
            (PLAIN_BYTES, "ssd", (0, 1), (0, 1)),
        ],
        ids=["floats", "pixels", "EfficientDet-Lite", "a byte's rounding", "wide", "plain bytes"],
    )
    def test_it_says_what_a_pixel_means(self, info, layout, said, read):
        """Bytes of a camera that are a rounding away pass through as they are."""
        found = settle_scaling(
            info, layout, Normalisation(*((value,) for value in said)), None, None
        )

        assert found is not None
        assert (found.mean, found.std) == pytest.approx(read, abs=1e-3)
        assert "as the file's metadata says" in str(found.note)

    @pytest.mark.parametrize("said", [(0.0, 1.0), (0.0, 1e5)])
    def test_what_does_not_fit_the_bytes_is_left_and_told(self, said):
        """Cut off, or lost in a step: then it is not what the writer meant."""
        info = tensor("uint8", -1, 127 / 128)

        found = settle_scaling(info, "ssd", Normalisation((said[0],), (said[1],)), None, None)

        assert found is not None and (found.mean, found.std) == pytest.approx((128, 128))
        assert "does not fit the -1 to 0.992" in str(found.note)
        assert "--mean and --std" in str(found.note)

    def test_one_that_is_named_goes_with_the_other(self):
        """Of mean and std; both are told."""
        said = Normalisation((127.5,), (127.5,))

        found = settle_scaling(FLOATS, "yolo_v8", said, None, 64.0)

        assert found is not None and (found.mean, found.std) == (127.5, 64)
        assert "although the file's metadata says (pixel - 127.5) / 127.5" in str(found.note)
        same = settle_scaling(FLOATS, "yolo_v8", said, 127.5, 127.5)
        assert same is not None and same.note is None

    def test_channels_that_are_scaled_apart_are_refused(self):
        """Unless the publisher names what comes nearest."""
        said = Normalisation((123.7, 116.3, 103.5), (58.4, 57.1, 57.4))

        with pytest.raises(ModelFileError, match=r"own way, .*123\.7, 116.*by --mean and --std"):
            settle_scaling(FLOATS, "yolo_v8", said, None, None)

        found = settle_scaling(FLOATS, "yolo_v8", said, 116.0, 57.0)
        assert found is not None and (found.mean, found.std) == (116, 57)
        assert "although the file's metadata says (pixel - (123.7" in str(found.note)
