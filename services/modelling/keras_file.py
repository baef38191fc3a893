"""A trained network in a Keras file: described and opened without running what the file brings.

Much of a description is for training, and no part of what the network answers: the loss, the
metrics and the optimizer that it was compiled with, and the initializers, regularizers and
constraints of its weights. Somebody's own code there is never run, and keeps no network out: the
description is made plain before Keras sees it. Code in what the network computes with is found in
the description, since Keras's `safe_mode` does not cover every form (an `.h5` ignores it).
"""

import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.modelling.keras import first_line, open_keras, quiet

HALF = frozenset({"float16", "bfloat16", "mixed_float16", "mixed_bfloat16"})
_OTHER_FLOATS = HALF | {"float64"}
_HDF5 = (".h5", ".hdf5")
SUFFIXES = (".keras", *_HDF5)
_CONFIGURATION = "config.json"
_COMPILED = "compile_config"
_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
_WRAPPED = ("layer", "backward_layer")  # where a layer of Keras holds another one
_BATCHES = ("batch_shape", "batch_input_shape")
_MODELS = frozenset({"Functional", "Model", "Sequential"})
_KINDS = ("layers", "initializers", "regularizers", "constraints", "dtype_policies")
# Of weights, by the end of their names: where Keras's own are, and what does instead.
_FOR_TRAINING: dict[str, tuple[str, str | None]] = {
    "_initializer": ("initializers", "zeros"),
    "_regularizer": ("regularizers", None),
    "_constraint": ("constraints", None),
}
_MODULES = re.compile(  # from which Keras's own layers, and what they are made with, come
    r"keras(\.(layers|initializers|regularizers|constraints|activations|dtype_policies|quantizers"
    r"|src\.models\.(functional|sequential)|models|src\.ops\.\w+|losses|metrics|optimizers"
    r"|optimizers\.schedules))?|builtins"
)
_CODE = re.compile(  # classes that run code from the file
    r"Lambda|TFSMLayer|TorchModuleWrapper|JaxLayer|FlaxLayer|function|module|__lambda__"
    r"|__typespec__|TensorFlowOpLayer|TFOpLambda|SlicingOpLambda"
)
_UNREADABLE = (  # what a damaged archive, its JSON, or h5py makes of it
    OSError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


class KerasFileError(Exception):
    """The file cannot be opened as a network; the message names it and says why, in one line."""


def read_description(file: Path) -> Any:
    """The description of the network in a `.keras` or `.h5` file, without what is for training.

    What Keras 2 wrote otherwise than Keras 3 reads it is put right.

    Raises: KerasFileError: it is none of these, or does not hold a whole network.
    """
    if file.is_dir():
        raise KerasFileError(
            f"{file} is a folder (a SavedModel?): save the network as .keras or .h5"
        )
    if not file.is_file():
        raise KerasFileError(f"{file} does not exist")
    try:
        description = _read(file)
    except _UNREADABLE as error:
        raise KerasFileError(
            f"{file} holds no whole network ({first_line(error)}): save it with model.save(…), not"
            " its weights"
        ) from error
    if description is None:
        raise KerasFileError(
            f"{file} is no Keras network: a .keras or .h5 file is needed, and no pickle"
        )
    return _as_keras_3_reads(_without_training(description))


def open_described(file: Path, description: Any) -> Any:
    """The `keras.Model` with the weights of a file and a description that stems from it.

    Raises: KerasFileError: Keras cannot open it.
    """
    keras = open_keras()
    try:
        with tempfile.TemporaryDirectory(prefix="network-") as folder, quiet():
            copy = _write_copy(file, description, Path(folder))
            return keras.models.load_model(copy, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its parts do
        hint = "" if file.suffix.lower() == ".keras" else " (a .keras file may hold what it cannot)"
        raise KerasFileError(
            f"{file} cannot be opened by Keras{hint}: {first_line(error)}"
        ) from error


def find_code(description: Any) -> str | None:
    """The first layer or function in a description that is not Keras's own; None: all are."""
    for part in _objects(description):
        name, module = str(part["class_name"]), str(part.get("module") or "keras")
        if name == "function" and isinstance(part.get("config"), str):
            return f"the function {part['config']}"
        if _CODE.fullmatch(name):
            return name
        if not _MODULES.fullmatch(module):
            return f"{module}.{name}"
        if not part.get("module") and not _is_name_of_keras(name):
            return name
    return None


def find_stateful(description: Any) -> str | None:
    """The first layer that remembers what it was asked before; None: none does."""
    for part in _objects(description):
        settings = part.get("config")
        if isinstance(settings, dict) and settings.get("stateful") is True:
            return str(settings.get("name") or part["class_name"])
    return None


def in_free_batches(part: Any) -> Any:
    """The description for any number of rows at once, whatever number it is fixed to."""
    if isinstance(part, list):
        return [in_free_batches(value) for value in part]
    if not isinstance(part, dict):
        return part
    return {
        name: [None, *value[1:]]
        if name in _BATCHES and isinstance(value, list) and value
        else in_free_batches(value)
        for name, value in part.items()
    }


def in_float32(part: Any, key: str = "") -> Any:
    """The description in float32, whatever precision it names."""
    if isinstance(part, list):
        return [in_float32(value) for value in part]
    if not isinstance(part, dict):
        return "float32" if key == "dtype" and part in _OTHER_FLOATS else part
    plain = {name: in_float32(value, name) for name, value in part.items()}
    settings = plain.get("config") if plain.get("class_name") in _POLICIES else None
    if isinstance(settings, dict) and settings.get("name") in _OTHER_FLOATS:
        plain["config"] = {**settings, "name": "float32"}
    return plain


def unrolled(part: Any) -> Any:
    """The description with recurrent layers unrolled, since TFLite does not know their loops."""
    if isinstance(part, list):
        return [unrolled(value) for value in part]
    if not isinstance(part, dict):
        return part
    plain = {name: unrolled(value) for name, value in part.items()}
    if plain.get("class_name") in _RECURRENT and isinstance(plain.get("config"), dict):
        plain["config"] = {**plain["config"], "unroll": True}
    return plain


def precisions(part: Any, key: str = "") -> set[str]:
    """The kinds of numbers other than float32 that a description names."""
    if isinstance(part, list):
        return set().union(*map(precisions, part))
    if not isinstance(part, dict):
        return {part} if key == "dtype" and part in _OTHER_FLOATS else set()
    found = set().union(*(precisions(value, name) for name, value in part.items()))
    settings = part.get("config")
    if part.get("class_name") in _POLICIES and isinstance(settings, dict):
        found |= {str(settings.get("name"))} & _OTHER_FLOATS
    return found


def _read(file: Path) -> Any:
    """The description as it is; None: not a file of Keras's."""
    suffix = file.suffix.lower()
    if suffix == ".keras" and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return json.loads(archive.read(_CONFIGURATION))
    if suffix in _HDF5:
        import h5py

        if h5py.is_hdf5(file):
            with h5py.File(file, "r") as opened:
                return json.loads(opened.attrs["model_config"])
    return None


def _write_copy(file: Path, description: Any, folder: Path) -> Path:
    """A copy of a network's file, with another description; returns its path."""
    copy = folder / f"network{file.suffix.lower()}"
    text = json.dumps(description)
    if copy.suffix in _HDF5:
        import h5py

        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        with h5py.File(copy, "r+") as opened:
            opened.attrs["model_config"] = text.encode()
        return copy
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            target.writestr(name, text if name == _CONFIGURATION else source.read(name))
    return copy


def _without_training(part: Any, key: str = "") -> Any:
    """The description without what is for training alone, at any depth."""
    for ending, (kind, instead) in _FOR_TRAINING.items():
        if key.endswith(ending) and part is not None and not _is_of_keras(part, kind):
            return instead
    if isinstance(part, dict):
        return {
            name: _without_training(value, name)
            for name, value in part.items()
            if name != _COMPILED
        }
    if isinstance(part, list):
        return [_without_training(value) for value in part]
    return part


def _as_keras_3_reads(part: Any, key: str = "") -> Any:
    """The description as Keras 3 wants it: a layer within another one by its full name, and no
    `time_major`, which is always false in networks that Keras 3 knows."""
    if isinstance(part, list):
        return [_as_keras_3_reads(value) for value in part]
    if not isinstance(part, dict):
        return part
    plain = {name: _as_keras_3_reads(value, name) for name, value in part.items()}
    if plain.get("time_major") is False:
        del plain["time_major"]
    name = str(plain.get("class_name"))
    if key in _WRAPPED and "module" not in plain and hasattr(open_keras().layers, name):
        plain |= {"module": "keras.layers", "registered_name": None}
    return plain


def _is_name_of_keras(name: str) -> bool:
    """Whether a class that is named without its module is Keras's own."""
    keras = open_keras()
    return (
        name.startswith("__")
        or name in _MODELS
        or name in _POLICIES
        or any(hasattr(getattr(keras, kind), name) for kind in _KINDS)
    )


def _is_of_keras(part: Any, kind: str) -> bool:
    known = getattr(open_keras(), kind)
    if isinstance(part, dict):
        module = str(part.get("module") or "keras")
        return module.split(".")[0] == "keras" and hasattr(known, str(part.get("class_name")))
    try:
        return known.get(part) is not None
    except (ValueError, TypeError):
        return False


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    """All objects that a description has, at any depth."""
    if isinstance(part, dict):
        if isinstance(part.get("class_name"), str):
            yield part
        for value in part.values():
            yield from _objects(value)
    elif isinstance(part, list):
        for value in part:
            yield from _objects(value)
