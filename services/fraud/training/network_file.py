"""A Keras network that somebody already has, in a file: opened, checked, and packaged.

- `.keras` and the older `.h5`. Neither may hold code: no Lambda layers, no classes of their own.
- Fifteen features in, one probability out. What it answers to a few thousand made-up
  transactions has to lie in [0, 1] and must not always be the same.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.card import Card, code_version, unknown_features
from services.fraud.errors import ModelError
from services.fraud.features import FEATURES
from services.fraud.training.candidate import Material, known_from, write_forms
from services.fraud.training.conversion import (
    PARITY_ROWS,
    canaries,
    check_parity,
    keras_probabilities,
    tflite_probabilities,
)
from services.fraud.training.framework import held_back, open_keras

_HDF5 = (".h5", ".hdf5")
_CODE = ("Lambda", "TFSMLayer", "function", "__lambda__")  # what runs code from the file
_TYPICAL = {"AVG_AMOUNT": (3.5, 0.8), "AMOUNT": (3.5, 0.8), "NB_TX": (1.5, 1.0)}  # of logarithms

Array = np.ndarray[Any, Any]


def package_network(
    file: Path, threshold: float, folder: Path, material: Material | None = None
) -> Card:
    """Turn a network into a model folder for the store.

    material: labelled transactions, for the figures and the ranges of the features.

    Raises: ModelError: no network that the service could run; says what is wrong with it.
    """
    network = open_network(file)
    rows = _made_up_rows() if material is None else material.rows[material.split.test]
    tflite = write_forms(network, folder)
    if material is None:
        known: dict[str, Any] = {"features": unknown_features()}
    else:
        known = known_from(material, tflite_probabilities(tflite, rows))
    card = Card(
        name=file.stem,
        threshold=threshold,
        code_version=code_version(),
        parity=check_parity(network, tflite, rows),
        canary=canaries(tflite, rows),
        **known,
    )
    card.write(folder)
    return card


def open_network(file: Path) -> Any:
    """The `keras.Model` in a file; nothing that the file holds is executed.

    Raises: ModelError: not such a file, or a network of another kind.
    """
    _refuse_code(file, _configuration(file))
    keras = open_keras()
    try:
        with held_back():
            network = keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its parts do
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{file} cannot be opened by Keras: {reason[0][:300]}") from error
    _check_shape(file, network)
    _check_answers(file, network)
    return network


def _configuration(file: Path) -> Any:
    """The network's description, read without Keras."""
    if file.is_dir():
        raise ModelError(f"{file} is a folder (a SavedModel?): save the network as .keras or .h5")
    if not file.is_file():
        raise ModelError(f"{file} does not exist")
    try:
        if file.suffix == ".keras" and zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return json.loads(archive.read("config.json"))
        if file.suffix in _HDF5:
            import h5py  # type: ignore[import-untyped]

            if h5py.is_hdf5(file):
                with h5py.File(file, "r") as opened:
                    return json.loads(opened.attrs["model_config"])
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"{file} holds no whole network ({error}): save it with model.save(…), not its weights"
        ) from error
    raise ModelError(f"{file} is no Keras network: a .keras or .h5 file is needed, and no pickle")


def _refuse_code(file: Path, configuration: Any) -> None:
    for part in _described(configuration):
        name = part["class_name"]
        module = str(part.get("module") or "keras")
        if name in _CODE or module.split(".")[0] not in ("keras", "builtins"):
            shown = name if name in _CODE else f"{module}.{name}"
            raise ModelError(
                f"{file} has a layer with code of its own ({shown}): only Keras's own layers are"
                " opened"
            )


def _described(part: Any) -> Iterator[dict[str, Any]]:
    """All objects that a configuration describes, at any depth."""
    if isinstance(part, dict):
        if isinstance(part.get("class_name"), str):
            yield part
        for value in part.values():
            yield from _described(value)
    elif isinstance(part, list):
        for value in part:
            yield from _described(value)


def _check_shape(file: Path, network: Any) -> None:
    inputs, outputs = _shapes(network, "inputs"), _shapes(network, "outputs")
    width = len(FEATURES)
    if inputs != [(None, width)]:
        raise ModelError(
            f"{file} reads {_shown(inputs)}, not {width} features a row: {', '.join(FEATURES)}"
        )
    if outputs != [(None, 1)]:
        raise ModelError(f"{file} answers with {_shown(outputs)}, not one probability a row")


def _shapes(network: Any, end: str) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in getattr(network, end, None) or []]


def _shown(shapes: list[tuple[int | None, ...]]) -> str:
    return " and ".join(str(shape) for shape in shapes) or "nothing known"


def _check_answers(file: Path, network: Any) -> None:
    answers = keras_probabilities(network, _made_up_rows())
    if not np.isfinite(answers).all():
        raise ModelError(f"{file} answers with NaN or infinity to ordinary transactions")
    if answers.min() < 0 or answers.max() > 1:
        raise ModelError(
            f"{file} answers from {answers.min():.4g} to {answers.max():.4g}, which are no"
            " probabilities: end the network with a sigmoid"
        )
    if answers.min() == answers.max():
        raise ModelError(f"{file} answers {answers.min():.4g} to everything")


def _made_up_rows() -> Array:
    """Rows in the range of card transactions, and as many standardised ones, for a network that
    was trained on those."""
    draws = np.random.default_rng(0)
    rows = draws.standard_normal((2 * PARITY_ROWS, len(FEATURES)))
    plain = rows[:PARITY_ROWS]
    for place, name in enumerate(FEATURES):
        kinds = [kind for kind in _TYPICAL if kind in name]
        if kinds:
            mean, spread = _TYPICAL[kinds[0]]
            plain[:, place] = np.exp(mean + spread * plain[:, place]).round(2)
        else:  # flags and risks: mostly 0, at most 1
            plain[:, place] = np.clip(plain[:, place] - 1, 0, 1)
    return rows.astype(np.float32)
