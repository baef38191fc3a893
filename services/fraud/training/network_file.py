"""A Keras network that somebody already has, in a file: opened, checked, and packaged.

- `.keras` and the older `.h5`. Neither may hold code: no Lambda layers, no classes of their own.
  A loss or a metric of somebody's own is no hindrance: it is no part of what is opened.
- Fifteen features in, one probability out. What it answers to a few thousand made-up
  transactions has to lie in [0, 1] and must not always be the same.
"""

from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import ModelError
from services.fraud.scoring.card import Card, unknown_features
from services.fraud.training.candidate import TrainingData, known_from, write_forms
from services.fraud.training.conversion import (
    PARITY_ROWS,
    check_parity,
    golden_answers,
    keras_probabilities,
    tflite_probabilities,
)
from services.fraud.transactions.features import FEATURES
from services.modelling.keras import first_line, quiet
from services.modelling.keras_file import (
    HALF,
    KerasFileError,
    find_code,
    in_float32,
    open_described,
    precisions,
    read_description,
    unrolled,
)
from services.modelling.provenance import code_version

_SAME = 1e-5  # by which answers may differ in float32
_SAME_AS_HALF = 0.02  # where the network had two or three decimals itself
_TYPICAL = {"AVG_AMOUNT": (3.5, 0.8), "AMOUNT": (3.5, 0.8), "NB_TX": (1.5, 1.0)}  # of logarithms

Array = np.ndarray[Any, Any]


def package_network(
    file: Path, threshold: float, folder: Path, data: TrainingData | None = None
) -> Card:
    """Turn a network into a model folder for the store.

    data: labelled transactions, for the metrics and the ranges of the features.

    Raises: ModelError: no network that the service could run; says what is wrong with it.
    """
    network = open_network(file)
    rows = _made_up_rows() if data is None else data.rows[data.split.test]
    tflite = write_forms(network, folder)
    if data is None:
        known: dict[str, Any] = {"features": unknown_features()}
    else:
        known = known_from(data, tflite_probabilities(tflite, rows))
    card = Card(
        name=file.stem,
        threshold=threshold,
        code_version=code_version(),
        parity=check_parity(network, tflite, rows),
        golden=golden_answers(tflite, rows),
        **known,
    )
    card.write(folder)
    return card


def open_network(file: Path) -> Any:
    """The `keras.Model` in a file, in float32; nothing that the file holds is executed.

    Raises: ModelError: not such a file, or a network of another kind.
    """
    try:
        return _open(file)
    except KerasFileError as error:
        raise ModelError(str(error)) from error


def _open(file: Path) -> Any:
    description = read_description(file)
    if code := find_code(description):
        raise ModelError(
            f"{file} has a layer with code of its own ({code}): only Keras's own layers are opened"
        )
    plain = unrolled(in_float32(description))
    network = open_described(file, plain)
    _check_shape(file, network)
    answers = _answers(file, network)
    if plain != description:
        _check_sameness(file, description, answers)
    _check_answers(file, answers)
    return network


def _check_shape(file: Path, network: Any) -> None:
    inputs, outputs = _shapes(network, "inputs"), _shapes(network, "outputs")
    width = len(FEATURES)
    if not inputs:
        raise ModelError(
            f"{file} does not say what it reads: begin the network with Input(({width},)) and save"
            " it again"
        )
    if inputs != [(None, width)]:
        raise ModelError(
            f"{file} reads {_format_shapes(inputs)}, not {width} features a row:"
            f" {', '.join(FEATURES)}"
        )
    if outputs != [(None, 1)]:
        raise ModelError(
            f"{file} answers with {_format_shapes(outputs)}, not one probability a row: end it with"
            ' Dense(1, activation="sigmoid")'
        )
    output = getattr(network, "output", None)  # a Sequential from an .h5 file may have none
    if isinstance(output, dict):
        raise ModelError(
            f"{file} answers with a dictionary ({', '.join(output)}), not one probability a"
            " row: save a network of that output alone"
        )
    kind = str(network.inputs[0].dtype)
    if kind != "float32":
        raise ModelError(f"{file} reads numbers of {kind}, and the features are float32")


def _shapes(network: Any, end: str) -> list[tuple[int | None, ...]]:
    return [tuple(tensor.shape) for tensor in getattr(network, end, None) or []]


def _format_shapes(shapes: list[tuple[int | None, ...]]) -> str:
    return " and ".join(str(shape) for shape in shapes) or "nothing known"


def _answers(file: Path, network: Any) -> Array:
    """To ordinary transactions."""
    try:
        with quiet():
            return keras_probabilities(network, _made_up_rows())
    except Exception as error:  # TensorFlow raises whatever its parts do
        raise ModelError(
            f"{file} cannot answer for {len(FEATURES)} features: {first_line(error)}"
        ) from error


def _check_sameness(file: Path, description: Any, answers: Array) -> None:
    """Compare with the network as it was saved; in half precision rows may be out of its range."""
    before = _answers(file, open_described(file, description))
    difference = np.abs(before - answers)[np.isfinite(before) & np.isfinite(answers)]
    kinds = precisions(description)
    is_half = bool(kinds & HALF)
    differs = (
        float(np.median(difference) if is_half else difference.max()) if len(difference) else 0
    )
    if differs > (_SAME_AS_HALF if is_half else _SAME):
        kind = f"in float32 than in {' and '.join(sorted(kinds))}" if kinds else "when unrolled"
        raise ModelError(
            f"{file} answers otherwise {kind} (by {differs:.2g}): build it in float32, without"
            " recurrent layers"
        )


def _check_answers(file: Path, answers: Array) -> None:
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
