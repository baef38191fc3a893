"""What a Keras file says of the network in it: read without Keras, and made plain.

Much of a description is for training, and no part of what the network answers: the loss, the
metrics and the optimizer that it was compiled with, and the initializers, regularizers and
constraints of its weights. Somebody's own code there is never run here, and keeps no network out:
a plain description is without it. What the network computes with stays as it is, with two
exceptions that leave the answers alone, for the service runs on TFLite:

- float32 instead of another precision;
- recurrent layers unrolled, since TFLite does not know their loops.
"""

import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.fraud.errors import ModelError
from services.fraud.training.framework import open_keras

HALF = frozenset({"float16", "bfloat16", "mixed_float16", "mixed_bfloat16"})
OTHER_FLOATS = HALF | {"float64"}
_COMPILED = "compile_config"
_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
_HDF5 = (".h5", ".hdf5")
_CONFIGURATION = "config.json"
# Of weights, by the end of their names: where Keras's own are, and what does instead.
_FOR_TRAINING: dict[str, tuple[str, str | None]] = {
    "_initializer": ("initializers", "zeros"),
    "_regularizer": ("regularizers", None),
    "_constraint": ("constraints", None),
}
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


def read_description(file: Path) -> Any:
    """The description of the network in a `.keras` or `.h5` file.

    Raises: ModelError: it is none of these, or does not hold a whole network.
    """
    if file.is_dir():
        raise ModelError(f"{file} is a folder (a SavedModel?): save the network as .keras or .h5")
    if not file.is_file():
        raise ModelError(f"{file} does not exist")
    suffix = file.suffix.lower()
    try:
        if suffix == ".keras" and zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return json.loads(archive.read(_CONFIGURATION))
        if suffix in _HDF5:
            import h5py  # type: ignore[import-untyped]

            if h5py.is_hdf5(file):
                with h5py.File(file, "r") as opened:
                    return json.loads(opened.attrs["model_config"])
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(
            f"{file} holds no whole network ({reason}): save it with model.save(…), not its weights"
        ) from error
    raise ModelError(f"{file} is no Keras network: a .keras or .h5 file is needed, and no pickle")


def write_copy(file: Path, description: Any, folder: Path) -> Path:
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


def without_training(part: Any, key: str = "") -> Any:
    """The description without what is for training alone, at any depth."""
    for ending, (kind, instead) in _FOR_TRAINING.items():
        if key.endswith(ending) and part is not None and not _is_of_keras(part, kind):
            return instead
    if isinstance(part, dict):
        return {
            name: without_training(value, name) for name, value in part.items() if name != _COMPILED
        }
    if isinstance(part, list):
        return [without_training(value) for value in part]
    return part


def _is_of_keras(part: Any, kind: str) -> bool:
    known = getattr(open_keras(), kind)
    if isinstance(part, dict):
        module = str(part.get("module") or "keras")
        return module.split(".")[0] == "keras" and hasattr(known, str(part.get("class_name")))
    try:
        return known.get(part) is not None
    except (ValueError, TypeError):
        return False


def for_tflite(part: Any, key: str = "") -> Any:
    """The description in float32, with recurrent layers unrolled."""
    if isinstance(part, list):
        return [for_tflite(value) for value in part]
    if not isinstance(part, dict):
        return "float32" if key == "dtype" and part in OTHER_FLOATS else part
    plain = {name: for_tflite(value, name) for name, value in part.items()}
    settings = plain.get("config")
    if isinstance(settings, dict):
        if plain.get("class_name") in _POLICIES and settings.get("name") in OTHER_FLOATS:
            plain["config"] = {**settings, "name": "float32"}
        if plain.get("class_name") in _RECURRENT:
            plain["config"] = {**settings, "unroll": True}
    return plain


def precisions(part: Any, key: str = "") -> set[str]:
    """The kinds of numbers other than float32 that a description names."""
    if isinstance(part, list):
        return set().union(*map(precisions, part))
    if not isinstance(part, dict):
        return {part} if key == "dtype" and part in OTHER_FLOATS else set()
    found = set().union(*(precisions(value, name) for name, value in part.items()))
    settings = part.get("config")
    if part.get("class_name") in _POLICIES and isinstance(settings, dict):
        found |= {str(settings.get("name"))} & OTHER_FLOATS
    return found


def described(part: Any) -> Iterator[dict[str, Any]]:
    """All objects that a description has, at any depth."""
    if isinstance(part, dict):
        if isinstance(part.get("class_name"), str):
            yield part
        for value in part.values():
            yield from described(value)
    elif isinstance(part, list):
        for value in part:
            yield from described(value)
