"""A trained network in a file: opened without running anything that the file brings along.

- `.keras` and `.h5`: only Keras's own layers. Lambda layers, classes of somebody's own and layers
  that call code are refused by the file's description, before Keras sees it.
- A SavedModel folder: refused by its description, before TensorFlow loads it, if an operation in
  it touches files, runs Python or does anything else than to compute.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.release.conversion.saved_model import SAVED_MODEL_FILE, refuse_effects
from edge.release.errors import ModelFileError
from services.modelling import keras_file
from services.modelling.keras import first_line, open_tensorflow, quiet
from services.modelling.keras_file import KerasFileError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Network:
    """A network from one picture to named outputs.

    The picture is float32, (1, height, width, 3); outputs have a batch of 1 too.
    """

    height: int  # px
    width: int  # px
    outputs: tuple[str, ...]  # in the order of their names
    module: Any  # tf.Module; its function `answer`: picture -> {name: tensor}

    @property
    def function(self) -> Any:
        """tf.ConcreteFunction: picture -> {name: tensor}"""
        return self.module.answer.get_concrete_function()

    def answer(self, picture: Array) -> dict[str, Array]:
        """Run the network itself, for comparison with what it was converted to."""
        tensorflow = open_tensorflow()
        found = self.function(tensorflow.constant(picture, tensorflow.float32))
        return {name: np.asarray(found[name]) for name in self.outputs}


def digest_of(path: Path) -> str:
    """sha256 of a file's bytes; of a folder, over the names and bytes of all files in it."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def open_network(path: Path, size: tuple[int, int] | None = None) -> Network:
    """Open a `.keras` or `.h5` file, or a SavedModel folder.

    Args:
        path: the file or folder.
        size: height and width to run with, for a network that leaves them open.

    Raises:
        ModelFileError: it is no such file, holds code, or is no network from one picture to
            tensors.
    """
    if path.is_dir():
        return _open_saved_model(path, size)
    if path.suffix.lower() not in keras_file.SUFFIXES:
        raise ModelFileError(
            f"{path} is no model that can be converted: give a .keras or .h5 file, a SavedModel"
            " folder, or a ready .tflite"
        )
    try:
        network = _open_keras_file(path)
    except KerasFileError as error:
        raise ModelFileError(str(error)) from error
    shapes = [tuple(tensor.shape) for tensor in network.inputs or ()]
    height, width = _picture_size(path, shapes, size)
    return _network(lambda image: network(image, training=False), height, width, path)


def _open_keras_file(path: Path) -> Any:
    description = keras_file.read_description(path)
    if code := keras_file.find_code(description):
        raise ModelFileError(
            f"{path} brings code of its own ({code}), which is not run here; build the network from"
            " Keras's own layers, or give a .tflite"
        )
    # All variants are converted from float32.
    return keras_file.open_described(path, keras_file.in_float32(description))


def _open_saved_model(path: Path, size: tuple[int, int] | None) -> Network:
    if not (path / SAVED_MODEL_FILE).is_file():
        raise ModelFileError(f"{path} is a folder without {SAVED_MODEL_FILE}: no SavedModel")
    refuse_effects(path)
    tensorflow = open_tensorflow()
    try:
        with quiet():
            loaded = tensorflow.saved_model.load(str(path))
    except Exception as error:
        raise ModelFileError(
            f"{path} cannot be opened by TensorFlow: {first_line(error)}"
        ) from error
    signatures: Mapping[str, Any] = loaded.signatures
    name = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if name is None:
        raise ModelFileError(f"{path} has no signature; export it with model.export(folder)")
    signature = signatures[name]
    inputs = signature.structured_input_signature[1]
    if any(spec.dtype != tensorflow.float32 for spec in inputs.values()):
        kinds = ", ".join(spec.dtype.name for spec in inputs.values())
        raise ModelFileError(f"{path} reads {kinds}; a network that reads float32 can be converted")
    height, width = _picture_size(path, [tuple(spec.shape) for spec in inputs.values()], size)
    argument = next(iter(inputs))
    return _network(lambda image: signature(**{argument: image}), height, width, path)


def _network(call: Any, height: int, width: int, path: Path) -> Network:
    """call: from a picture's tensor to outputs."""
    tensorflow = open_tensorflow()
    spec = tensorflow.TensorSpec((1, height, width, 3), tensorflow.float32, name="image")
    module = tensorflow.Module()
    try:
        with quiet():
            module.answer = tensorflow.function(lambda image: dict(_named(call(image))), [spec])
            function = module.answer.get_concrete_function()
    except Exception as error:
        raise ModelFileError(
            f"{path} does not take a picture of {height} x {width}: {first_line(error)}"
        ) from error
    # Else they are saved without values where something else than a module holds them.
    module.weights = list(function.variables)
    return Network(height, width, tuple(sorted(function.structured_outputs)), module)


def _named(outputs: Any) -> list[tuple[str, Any]]:
    if isinstance(outputs, Mapping):
        return [(re.sub(r"\W", "_", str(name)), tensor) for name, tensor in outputs.items()]
    if isinstance(outputs, (list, tuple)):
        return [(f"output_{k}", tensor) for k, tensor in enumerate(outputs)]
    return [("output_0", outputs)]


def _picture_size(
    path: Path, shapes: list[tuple[int | None, ...]], size: tuple[int, int] | None
) -> tuple[int, int]:
    """Height and width of the one picture that the network reads."""
    if (
        len(shapes) != 1
        or len(shapes[0]) != 4
        or shapes[0][3] != 3
        or shapes[0][0] not in (None, 1)
    ):
        shown = " and ".join(str(list(shape)) for shape in shapes) or "nothing known"
        raise ModelFileError(
            f"{path} reads {shown}; a detector reads one picture, [1, height, width, 3]"
        )
    fixed = shapes[0][1:3]
    if size is not None and any(
        own not in (None, given) for own, given in zip(fixed, size, strict=True)
    ):
        raise ModelFileError(f"{path} reads pictures of {fixed[0]} x {fixed[1]}, not {size}")
    height, width = (
        own if own else given for own, given in zip(fixed, size or (0, 0), strict=True)
    )
    if not height or not width:
        raise ModelFileError(f"{path} leaves its input's size open; give one: --input-size 320x320")
    return height, width
