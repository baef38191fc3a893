"""Networks are opened without running what they bring along, and converted to what devices run."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge_detector.inference.runtime import open_interpreter, read_tensors

from edge.release.conversion.convert import VARIANTS, Converter
from edge.release.conversion.network_file import digest_of, open_network
from edge.release.conversion.opened_model import output_names
from edge.release.errors import ModelFileError
from services.modelling.keras import open_keras, open_tensorflow, quiet
from services.modelling.keras_file import read_description
from tests.edge.device.tiny import LABELS, SIDE, paint
from tests.edge.release.cells import (
    build_network,
    calibration,
    draw_cells,
    open_cells,
    save_network,
    write_variant,
)

POINTS = 64


def read(seed: int) -> np.ndarray:
    """A picture as the network reads it."""
    return paint(*draw_cells(9, seed))[None, ..., ::-1].astype(np.float32) / 255


def rewrite_config(file: Path, old: str, new: str) -> None:
    """Change a .keras file's description of the network."""
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    text = content["config.json"].decode()
    assert old in text
    content["config.json"] = text.replace(old, new, 1).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def save_first_graph(folder: Path, act: Callable[[], Any]) -> None:
    """A SavedModel as TensorFlow 1 made it; act: makes the operation that initialises it."""
    tensorflow = open_tensorflow()
    first = tensorflow.compat.v1
    with quiet(), tensorflow.Graph().as_default(), first.Session() as session:
        image = first.placeholder(tensorflow.float32, (1, SIDE, SIDE, 3))
        kernel = first.get_variable("kernel", (3, 3, 3, 4))
        answer = tensorflow.nn.conv2d(image, kernel, 1, "SAME")
        session.run(first.global_variables_initializer())
        signature = first.saved_model.predict_signature_def({"image": image}, {"answer": answer})
        builder = first.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=act()
        )
        builder.save()


class TestOpening:
    @pytest.mark.parametrize("suffix", [".keras", ".h5", ""])
    def test_every_form_answers_as_the_network_does(self, tmp_path, suffix):
        """A .keras or .h5 file, and a SavedModel folder."""
        file = save_network(tmp_path, suffix=suffix)

        network = open_network(file)

        assert (network.height, network.width) == (SIDE, SIDE)
        assert network.outputs == ("distances", "scores")
        expected = build_network()(read(1), training=False)
        for name, answer in network.answer(read(1)).items():
            assert np.allclose(answer, expected[name], atol=1e-5)

    def test_open_size_is_asked_for(self, tmp_path):
        """And taken where it is given."""
        keras = open_keras()
        image = keras.Input((None, None, 3))
        path = tmp_path / "any.keras"
        keras.Model(image, keras.layers.Conv2D(5, 3, 2)(image)).save(path)

        with pytest.raises(ModelFileError, match=r"leaves its input's size open.*--input-size"):
            open_network(path)

        network = open_network(path, (33, 65))
        assert network.answer(np.zeros((1, 33, 65, 3)))["output_0"].shape == (1, 16, 32, 5)

    def test_lambda_layer_is_refused_before_keras_sees_it(self, tmp_path):
        """Its code would run when it is loaded, from an .h5 whatever safe_mode says."""
        keras = open_keras()
        image = keras.Input((SIDE, SIDE, 3))
        network = keras.Model(image, keras.layers.Lambda(lambda x: x)(image))
        for name in ("code.keras", "code.h5"):
            with quiet():
                network.save(tmp_path / name)

            with pytest.raises(ModelFileError, match=r"brings code of its own \(.*Lambda\)"):
                open_network(tmp_path / name)

    @pytest.mark.parametrize("module", ["os", "keras.src.saving.serialization_lib", "my_layers"])
    def test_classes_from_elsewhere_are_refused(self, tmp_path, module):
        """A description can name any module that is installed here."""
        file = save_network(tmp_path)
        rewrite_config(file, '"module": "keras.layers"', f'"module": "{module}"')

        with pytest.raises(ModelFileError, match=f"brings code of its own .{module}"):
            open_network(file)

    def test_functions_from_elsewhere_are_refused(self, tmp_path):
        """Also where they stand for an activation."""
        file = save_network(tmp_path)
        function = {"class_name": "function", "module": "builtins", "config": "eval"}
        rewrite_config(file, '"activation": "relu"', f'"activation": {json.dumps(function)}')

        with pytest.raises(ModelFileError, match=r"brings code of its own \(the function eval\)"):
            open_network(file)

    def test_compiled_network_within_a_network_is_not_compiled(self, tmp_path):
        """Keras would run its loss when it opens the file; the network opens without it."""
        file = save_network(tmp_path)
        loss = {"class_name": "function", "module": "builtins", "config": "eval"}
        compiled = f'"compile_config": {{"loss": {json.dumps(loss)}}}, "registered_name"'

        rewrite_config(file, '"registered_name"', compiled)

        assert "eval" not in json.dumps(read_description(file))
        assert open_network(file).outputs == ("distances", "scores")

    @pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
    def test_own_loss_of_a_whole_network_does_not_matter(self, tmp_path):
        """It is for training, and left out here."""
        network = build_network()
        network.compile(loss=lambda truth, answer: answer)
        network.save(tmp_path / "own.keras")

        assert open_network(tmp_path / "own.keras").outputs == ("distances", "scores")

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_own_code_for_training_does_not_matter(self, tmp_path, suffix):
        """Loss, metrics, initializers, regularizers: a device would never run them."""
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

        image = keras.Input((8, 8, 3))
        answer = keras.layers.Conv2D(2, 3, kernel_initializer=Start(), kernel_regularizer=Shrink())(
            image
        )
        network = keras.Model(image, answer)

        def own(truth: Any, answer: Any) -> Any:
            return keras.ops.mean(truth - answer)

        network.compile(loss=own, metrics=[own])
        network.save(tmp_path / f"own{suffix}")
        picture = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)

        opened = open_network(tmp_path / f"own{suffix}")

        expected = np.asarray(network(picture, training=False))
        assert np.array_equal(opened.answer(picture)["output_0"], expected)

    @pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
    def test_other_precisions_become_float32(self, tmp_path, policy):
        """The weights are the same, and TFLite takes them."""
        keras = open_keras()
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            image = keras.Input((8, 8, 3))
            hidden = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(image))
            network = keras.Model(image, keras.layers.Conv2D(2, 3)(hidden))
        finally:
            keras.config.set_dtype_policy(before)
        network.save(tmp_path / "other.keras")
        picture = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)

        opened = open_network(tmp_path / "other.keras")

        answer = opened.answer(picture)["output_0"]
        assert answer.dtype == np.float32
        assert np.abs(answer - np.asarray(network(picture), np.float32)).max() < 0.05
        with Converter(opened) as converter:
            (tmp_path / "other.tflite").write_bytes(converter.convert("float32"))
        inputs, outputs = read_tensors(open_interpreter(tmp_path / "other.tflite")[0])
        assert {info.dtype for info in (*inputs, *outputs)} == {np.dtype(np.float32)}

    @pytest.mark.parametrize("operation", ["WriteFile", "SaveV2", "PyFunc"])
    def test_graph_that_acts_is_refused_before_it_is_loaded(self, tmp_path, operation):
        """TensorFlow runs an initialiser when it loads a SavedModel."""
        tensorflow = open_tensorflow()
        target = tmp_path / "written"

        def act() -> Any:
            if operation == "PyFunc":
                return tensorflow.compat.v1.py_func(target.touch, [], [])
            if operation == "WriteFile":
                return tensorflow.raw_ops.WriteFile(filename=str(target), contents="")
            return tensorflow.raw_ops.SaveV2(
                prefix=str(target), tensor_names=["a"], shape_and_slices=[""], tensors=[[1.0]]
            )

        save_first_graph(tmp_path / "acts", act)
        before = sorted(tmp_path.rglob("*"))

        with pytest.raises(ModelFileError, match=f"has the operation {operation}, .*not run here"):
            open_network(tmp_path / "acts")
        assert sorted(tmp_path.rglob("*")) == before

    def test_function_that_reads_a_file_is_refused(self, tmp_path):
        """Also deep within a network of today."""
        tensorflow = open_tensorflow()
        module = tensorflow.Module()
        read = tensorflow.function(lambda: tensorflow.io.read_file("/etc/hostname"))
        picture = tensorflow.TensorSpec((1, SIDE, SIDE, 3))
        module.call = tensorflow.function(
            lambda image: image + tensorflow.cast(tensorflow.strings.length(read()), "float32"),
            [picture],
        )
        with quiet():
            tensorflow.saved_model.save(module, tmp_path / "reads", module.call)

        with pytest.raises(ModelFileError, match="has the operation ReadFile"):
            open_network(tmp_path / "reads")

    def test_graph_that_only_computes_is_opened(self, tmp_path):
        """Such as older TensorFlow saved it."""
        save_first_graph(tmp_path / "computes", lambda: None)

        assert open_network(tmp_path / "computes").outputs == ("answer",)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.keras", b"no archive", "no Keras network: a .keras or .h5 file is needed"),
            ("a.h5", b"no archive", "no Keras network: a .keras or .h5 file is needed"),
            ("a.onnx", b"", "give a .keras or .h5 file, a SavedModel folder, or a ready .tflite"),
        ],
    )
    def test_other_files_are_named(self, tmp_path, name, content, message):
        """With what would be right."""
        (tmp_path / name).write_bytes(content)

        with pytest.raises(ModelFileError, match=message):
            open_network(tmp_path / name)

    def test_weights_alone_are_no_network(self, tmp_path):
        """Keras saves them under the same suffix."""
        build_network().save_weights(tmp_path / "only.weights.h5")

        with pytest.raises(ModelFileError, match="holds no whole network"):
            open_network(tmp_path / "only.weights.h5")

    def test_folder_without_a_model_is_named(self, tmp_path):
        """Any folder could be meant."""
        with pytest.raises(ModelFileError, match=r"a folder without saved_model\.pb"):
            open_network(tmp_path)

    def test_network_that_reads_no_picture_is_refused(self, tmp_path):
        """It says what a detector reads."""
        keras = open_keras()
        numbers = keras.Input((7,))
        keras.Model(numbers, keras.layers.Dense(1)(numbers)).save(tmp_path / "rows.keras")

        with pytest.raises(ModelFileError, match=r"one picture, \[1, height, width, 3\]"):
            open_network(tmp_path / "rows.keras")

    def test_digest_of_a_folder_sees_names_and_bytes(self, tmp_path):
        """A SavedModel is a folder."""
        for folder, name in (("one", "a"), ("two", "a"), ("three", "b")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / name).write_bytes(b"x")

        one, two, three = (digest_of(tmp_path / name) for name in ("one", "two", "three"))

        assert one == two != three


class TestConverting:
    @pytest.mark.parametrize("variant", VARIANTS)
    def test_batch_is_one_and_outputs_keep_their_names(self, tmp_path, variant):
        """By the signature, as the converter gives tensors names and an order of its own."""
        file = write_variant(tmp_path, variant)

        inputs, outputs = read_tensors(open_interpreter(file)[0])

        assert [info.shape for info in inputs] == [(1, SIDE, SIDE, 3)]
        names = output_names(file)
        assert {names[info.name]: info.shape for info in outputs} == {
            "scores": (1, POINTS, len(LABELS)),
            "distances": (1, POINTS, 4),
        }

    def test_int8_takes_the_bytes_of_a_camera(self, tmp_path):
        """Scale 1/255 and zero point 0, so that nothing is to be computed on the way in."""
        (image,), outputs = read_tensors(open_interpreter(write_variant(tmp_path, "int8"))[0])

        assert (image.dtype, image.zero_point) == (np.dtype(np.uint8), 0)
        assert image.scale == pytest.approx(1 / 255, rel=1e-6)
        assert {info.dtype for info in outputs} == {np.dtype(np.int8)}
        assert all(info.quantised for info in outputs)

    def test_other_variants_speak_float(self, tmp_path):
        """In and out."""
        for variant in ("float32", "float16", "dynamic"):
            inputs, outputs = read_tensors(open_interpreter(write_variant(tmp_path, variant))[0])
            assert {info.dtype for info in (*inputs, *outputs)} == {np.dtype(np.float32)}

    def test_int8_needs_pictures(self):
        """Ranges cannot be made up."""
        with (
            Converter(open_cells()) as converter,
            pytest.raises(ModelFileError, match="int8 needs pictures to find its ranges by"),
        ):
            converter.convert("int8")

    def test_pictures_are_fed_with_a_black_and_a_white_pixel(self):
        """Whatever they show, the input's range is exact; the pictures themselves stay."""
        grey = np.full((1, 4, 4, 3), 0.5, np.float32)
        known = calibration()

        ((fed,),) = type(known)(lambda: [grey], -1.0, 1.0).feed()

        assert (fed.min(), fed.max()) == (-1, 1)
        assert (grey == 0.5).all()

    def test_unknown_operation_is_named(self, tmp_path):
        """The converter's first line, not its pages."""
        keras = open_keras()
        image = keras.Input((8, 8, 3))
        flat = keras.layers.Reshape((192,))(image)
        network = keras.Model(image, keras.ops.erfinv(flat))
        network.save(tmp_path / "odd.keras")

        opened = open_network(tmp_path / "odd.keras")

        with (
            Converter(opened) as converter,
            pytest.raises(
                ModelFileError,
                match=r"cannot be converted to TFLite \(float32\): TFLite does not know .*Erfinv",
            ),
        ):
            converter.convert("float32")
