"""The description of a network in a Keras file, made plain before Keras sees it.

Two kinds of things are left out that a device would never run: somebody's own code for training
(the loss and metrics of the whole network; initializers, regularizers and constraints of weights),
and another precision than float32, from which all variants are converted.
"""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from edge.release.conversion.framework import open_keras

_COMPILED = "compile_config"
_CONFIGURATION = "config.json"
_POLICIES = ("DTypePolicy", "FloatDTypePolicy", "Policy")
_OTHER_FLOATS = ("float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
# Of weights, by the end of their names: where Keras's own are, and what does instead.
_FOR_TRAINING: dict[str, tuple[str, str | None]] = {
    "_initializer": ("initializers", "zeros"),
    "_regularizer": ("regularizers", None),
    "_constraint": ("constraints", None),
}


def plain(description: Any) -> Any:
    """A description without code for training, in float32.

    The compilation of a network within the network stays in it, for Keras would run it.
    """
    if isinstance(description, dict):
        whole = {name: value for name, value in description.items() if name != _COMPILED}
        return _in_float32(_without_training(whole))
    return description


def _without_training(part: Any, key: str = "") -> Any:
    for ending, (kind, instead) in _FOR_TRAINING.items():
        if key.endswith(ending) and part is not None and not _is_of_keras(part, kind):
            return instead
    if isinstance(part, dict):
        return {name: _without_training(value, name) for name, value in part.items()}
    return [_without_training(value) for value in part] if isinstance(part, list) else part


def _is_of_keras(part: Any, kind: str) -> bool:
    known = getattr(open_keras(), kind)
    if isinstance(part, dict):
        module = str(part.get("module") or "keras")
        return module.split(".")[0] == "keras" and hasattr(known, str(part.get("class_name")))
    try:
        return known.get(part) is not None
    except (ValueError, TypeError):
        return False


def _in_float32(part: Any, key: str = "") -> Any:
    if isinstance(part, list):
        return [_in_float32(value) for value in part]
    if not isinstance(part, dict):
        return "float32" if key == "dtype" and part in _OTHER_FLOATS else part
    found = {name: _in_float32(value, name) for name, value in part.items()}
    settings = found.get("config") if found.get("class_name") in _POLICIES else None
    if isinstance(settings, dict) and settings.get("name") in _OTHER_FLOATS:
        found["config"] = {**settings, "name": "float32"}
    return found


def write_copy(file: Path, description: Any, folder: Path) -> Path:
    """A copy of a network's file, with another description; returns its path."""
    copy = folder / f"network{file.suffix.lower()}"
    text = json.dumps(description)
    if copy.suffix == ".keras":
        with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as target:
            for name in source.namelist():
                target.writestr(name, text if name == _CONFIGURATION else source.read(name))
        return copy
    import h5py  # type: ignore[import-untyped]

    shutil.copyfile(file, copy)
    with h5py.File(copy, "r+") as opened:
        opened.attrs["model_config"] = text.encode()
    return copy
