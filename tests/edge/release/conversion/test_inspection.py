"""What a file reads and answers is found out, or asked for; never guessed."""

import zipfile
from functools import lru_cache
from typing import Any

import pytest

from edge.release.conversion.inspection import ModelHints, inspect_model
from edge.release.datasets.label_file import open_labels, search_labels
from edge.release.errors import ModelFileError
from services.modelling.keras import open_tensorflow, quiet
from tests.edge.device.samples import COCO_SSD, DATA, YOLO, needs_data, read_photo
from tests.edge.device.tiny import LABELS, SIDE, STRIDE, paint
from tests.edge.release.cells import draw_cells, write_variant

PICTURES = [paint(*draw_cells(9, seed)) for seed in range(3)]
FOUR = ("a", "b", "c", "d")


@lru_cache
def answering(kind: str) -> bytes:
    """A TFLite file whose outputs have the shapes of some detector; they follow the picture."""
    tf = open_tensorflow()

    def answer(image: Any) -> dict[str, Any]:
        mean = tf.reduce_mean(image)
        rising = tf.range(84.0)
        table = tf.reshape(rising / 84.0 + mean * 0.01, (1, 12, 7))
        if kind == "yolo_v8 pixels":
            return {"found": tf.transpose(table, (0, 2, 1)) * 64.0}
        if kind == "yolo_v8 shares":
            return {"found": table}
        if kind == "yolo_v5":
            return {"found": tf.reshape(rising[:80] / 80.0 + mean * 0.01, (1, 10, 8))}
        if kind == "two of four":
            return {
                "scores": tf.reshape(rising[:64] + mean, (1, 16, 4)),
                "distances": tf.reshape(rising[:64] - mean, (1, 16, 4)),
            }
        if kind == "anchors":
            return {
                "scores": tf.reshape(rising[:51] + mean, (1, 17, 3)),
                "distances": tf.reshape(rising[:68] - mean, (1, 17, 4)),
            }
        order = tf.range(5.0)
        return {
            "a": tf.reshape(0.9 - order * 0.11 - mean * 0.01, (1, 5)),
            "b": tf.fill((1,), 5.0 + mean * 0.0),
            "c": tf.reshape(tf.round(order + mean * 0.1), (1, 5)),
            "d": tf.reshape(rising[:20] / 40.0 + mean * 0.01, (1, 5, 4)),
        }

    module = tf.Module()
    spec = tf.TensorSpec((1, 32, 32, 3), tf.float32)
    with quiet():
        module.answer = tf.function(answer, input_signature=[spec])
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [module.answer.get_concrete_function()], module
        )
        return bytes(converter.convert())


@pytest.fixture
def file_of(tmp_path):
    def write(kind: str):
        file = tmp_path / "model.tflite"
        file.write_bytes(answering(kind))
        return file

    return write


class TestPoints:
    @pytest.mark.parametrize(
        ("variant", "dtype"), [("float32", "float32"), ("float16", "float32"), ("int8", "uint8")]
    )
    def test_own_head_is_known_by_its_signature(self, tmp_path, variant, dtype):
        """In every variant, whatever order and names the converter gives."""
        found = inspect_model(write_variant(tmp_path, variant), LABELS, [])

        assert found.output.layout == "points"
        assert set(found.output.tensors) == {"scores", "distances"}
        assert found.output.strides == (STRIDE,)
        assert (found.input.height, found.input.width, found.input.dtype) == (SIDE, SIDE, dtype)
        assert (found.input.mean, found.input.std) == (0, 255)
        assert found.input.fit == "letterbox"

    def test_four_labels_are_told_from_four_distances(self, file_of):
        """Both tensors have the same shape; their names tell."""
        found = inspect_model(file_of("two of four"), FOUR, [])

        assert len(set(found.output.tensors.values())) == 2

    def test_head_with_anchors_is_refused(self, file_of):
        """Its boxes cannot be read without them."""
        with pytest.raises(ModelFileError, match=r"answers for 17 points.*anchors"):
            inspect_model(file_of("anchors"), LABELS, [])


class TestYolo:
    def test_pixels_and_shares_are_told_apart(self, file_of):
        """By what the model answers to pictures."""
        pixels = inspect_model(file_of("yolo_v8 pixels"), LABELS, PICTURES)
        shares = inspect_model(file_of("yolo_v8 shares"), LABELS, PICTURES)

        assert (pixels.output.layout, pixels.output.normalised) == ("yolo_v8", False)
        assert (shares.output.layout, shares.output.normalised) == ("yolo_v8", True)

    def test_pictures_are_asked_for_where_they_have_to_tell(self, file_of):
        """It says how to give some."""
        with pytest.raises(ModelFileError, match="without pictures; give --golden"):
            inspect_model(file_of("yolo_v8 pixels"), LABELS, [])

    def test_v5_has_one_column_more(self, file_of):
        """The labels decide; both at once would be a question."""
        assert inspect_model(file_of("yolo_v5"), LABELS, PICTURES).output.layout == "yolo_v5"
        assert inspect_model(file_of("yolo_v5"), FOUR, PICTURES).output.layout == "yolo_v8"

    def test_wrong_number_of_labels_is_an_error_with_the_shapes(self, file_of):
        """The most common mistake: the labels of another model."""
        with pytest.raises(ModelFileError, match=r"\[1, 10, 8\], which with 2 labels is none"):
            inspect_model(file_of("yolo_v5"), ("a", "b"), PICTURES)


class TestSsd:
    def test_roles_are_found_by_what_is_answered(self, file_of):
        """Classes are whole numbers, scores fall; newer exporters name and order as they like."""
        found = inspect_model(file_of("ssd"), tuple("abcdefgh"), PICTURES)

        assert found.output.layout == "ssd"
        # Dict outputs are laid flat by key: a, b, c, d.
        by_number = {
            role: int(name.rpartition(":")[2] or 0) for role, name in found.output.tensors.items()
        }
        assert by_number == {"scores": 0, "count": 1, "classes": 2, "boxes": 3}
        assert (found.input.mean, found.input.std, found.input.fit) == (127.5, 127.5, "stretch")

    def test_class_beyond_the_labels_is_an_error(self, file_of):
        """Its name would be missing on the device, or wrong."""
        with pytest.raises(ModelFileError, match="answers with class 4, but there are 3 labels"):
            inspect_model(file_of("ssd"), LABELS, PICTURES)


def test_publisher_overrules_what_is_usual(file_of):
    """Scaling, order of colours, fit and layout."""
    hints = ModelHints(
        layout="yolo_v8", mean=1.0, std=2.0, colour_order="bgr", fit="stretch", normalised=True
    )

    found = inspect_model(file_of("yolo_v8 pixels"), LABELS, [], hints)

    assert found.hints == hints


def test_layout_that_does_not_fit_is_an_error(file_of):
    """Even where another one would."""
    with pytest.raises(ModelFileError, match="none of the layouts"):
        inspect_model(file_of("yolo_v8 pixels"), LABELS, PICTURES, ModelHints(layout="ssd"))


def test_file_that_is_no_model_is_an_error(tmp_path):
    """Cut off, or something else."""
    (tmp_path / "a.tflite").write_bytes(b"no model")

    with pytest.raises(ModelFileError, match=r"a\.tflite"):
        inspect_model(tmp_path / "a.tflite", LABELS, [])


class TestLabels:
    @pytest.mark.parametrize(
        ("text", "labels"),
        [
            ("bolt\nnut\n", ("bolt", "nut")),
            ("\ufeffbolt\r\nnut\r\n\r\n", ("bolt", "nut")),
            ("???\nbolt\n???\nnut\n", ("bolt", "???", "nut")),
            ("bolt\n\nnut", ("bolt", "???", "nut")),
            ("0 bolt\n2 nut\n", ("bolt", "???", "nut")),
            ("0: bolt\n1: hex nut\n", ("bolt", "hex nut")),
            ("1 way street\nbolt\n", ("1 way street", "bolt")),
        ],
    )
    def test_files_of_all_kinds_are_read(self, tmp_path, text, labels):
        """With and without a first line for the background, holes, and numbers."""
        (tmp_path / "labels.txt").write_text(text, "utf-8")

        assert open_labels(tmp_path / "labels.txt").names == labels

    @pytest.mark.parametrize(
        ("text", "message"), [("nut\nbolt\nnut\n", "names 'nut' twice"), ("\n", "names no class")]
    )
    def test_files_that_cannot_be_meant_are_errors(self, tmp_path, text, message):
        """Each class needs its own name."""
        (tmp_path / "labels.txt").write_text(text)

        with pytest.raises(ModelFileError, match=message):
            open_labels(tmp_path / "labels.txt")

    def test_names_without_numbers_within_a_model_are_an_error(self, tmp_path):
        """Nobody knows which class is which."""
        with zipfile.ZipFile(tmp_path / "a.tflite", "w") as archive:
            archive.writestr("metadata.json", '{"names": {"a": "bolt", "b": "nut"}}')

        with pytest.raises(ModelFileError, match=r"does not number its classes.* a, b; give --lab"):
            search_labels(tmp_path / "a.tflite")

    def test_labels_lie_beside_the_model(self, tmp_path):
        """Or there is an error that says what to do."""
        with pytest.raises(ModelFileError, match="give --labels FILE"):
            search_labels(tmp_path / "a.tflite")

        (tmp_path / "labels.txt").write_text("bolt\n")

        assert search_labels(tmp_path / "a.tflite").names == ("bolt",)


@needs_data
class TestRealModels:
    def test_ssd_passes_the_bytes_of_a_camera_through(self):
        """Its scale is 1/128 around 128."""
        labels = open_labels(DATA / "labels" / "coco_ssd_labelmap_nazmul.txt").names

        found = inspect_model(COCO_SSD, labels, [read_photo("photos/cat.bmp")])

        assert (found.output.layout, found.input.dtype, found.input.fit) == (
            *("ssd", "uint8", "stretch"),
        )
        assert (found.input.mean, found.input.std) == (128, 128)

    def test_yolo_carries_its_own_labels(self):
        """As its exporter leaves them; units are known by what its bytes can say."""
        labels = search_labels(YOLO).names

        found = inspect_model(YOLO, labels, [])

        assert labels == open_labels(DATA / "labels" / "nxp_coco-labels-2014_2017.txt").names
        assert (found.output.layout, found.output.normalised) == ("yolo_v8", True)
        assert (found.input.dtype, found.input.mean, found.input.std) == ("int8", 0, 255)
