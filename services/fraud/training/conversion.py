"""From a Keras network to its TFLite form, and the proof that both answer the same."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import ModelError
from services.fraud.scoring.card import GoldenAnswer, Parity
from services.modelling.keras import first_line, open_keras, open_tensorflow, quiet

TOLERANCE = 1e-5
PARITY_ROWS = 10_000
BATCH = 1_024
STEPS_IN_SPREAD = 10_000  # of float32, in a standard deviation: fewer are told
_NAMED = 5

Array = np.ndarray[Any, Any]


def convert(network: Any) -> bytes:
    """The TFLite form in float32; takes any number of rows.

    Raises: ModelError: the network has a layer that TFLite does not know.
    """
    tensorflow = open_tensorflow()
    try:
        with quiet():
            return bytes(tensorflow.lite.TFLiteConverter.from_keras_model(network).convert())
    except Exception as error:  # the converter raises whatever its parts do
        raise ModelError(f"the network cannot be converted to TFLite: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """In one line: the converter writes pages about its own insides."""
    unknown = sorted(set(re.findall(r"\btf\.([A-Z]\w+)", str(error))))
    if unknown:
        return (
            f"TFLite does not know {', '.join(unknown[:5])}; build it from layers such as Dense,"
            " BatchNormalization and Conv1D"
        )
    return first_line(error)


def check_parity(network: Any, tflite: Path, rows: Array) -> Parity:
    """Compare both forms on at least `PARITY_ROWS` rows made of the values in these.

    Raises: ModelError: they differ by more than `TOLERANCE`.
    """
    asked = many_rows(rows)
    return compare_answers(
        keras_probabilities(network, asked), tflite_probabilities(tflite, asked), asked, TOLERANCE
    )


def compare_answers(expected: Array, found: Array, rows: Array, tolerance: float) -> Parity:
    """Compare the answers of both forms to these rows.

    Raises: ModelError: they differ by more than the tolerance.
    """
    difference = np.abs(expected - found)
    largest = float(difference.max())
    if not largest <= tolerance:  # NaN is no parity either
        place = int(np.argmax(np.nan_to_num(difference, nan=np.inf)))
        raise ModelError(
            f"Keras and TFLite differ by {largest:.2g} where {tolerance:g} is allowed,"
            f" on the features {rows[place].tolist()}"
        )
    return Parity(rows=len(rows), largest_difference=largest)


def many_rows(rows: Array) -> Array:
    """At least `PARITY_ROWS`: these, and as many as are missing with values of their columns."""
    rows = np.asarray(rows, dtype=np.float32)
    missing = PARITY_ROWS - len(rows)
    if missing <= 0:
        return rows
    places = np.random.default_rng(0).integers(0, len(rows), (missing, rows.shape[1]))
    return np.concatenate([rows, np.take_along_axis(rows, places, axis=0)])


def lost_digits(
    names: Sequence[str], largest: Array, spread: Array, *, seen: bool = True
) -> str | None:
    """Which features float32, in which every model reads, tells apart too coarsely, with the cure.

    An epoch in seconds is known to 128 s there, whatever a caller sends.

    Args:
        largest: the largest absolute value of each, shape (features,).
        spread: their standard deviations.
        seen: whether digits are known to be lost; else they may be whole numbers that keep them.
    """
    step = np.spacing(np.asarray(largest, np.float32)).astype(np.float64)
    coarse = np.flatnonzero((np.asarray(spread) > 0) & (step * STEPS_IN_SPREAD > spread))
    if not len(coarse):
        return None
    told = [f"{names[i]} to {step[i]:g}, with a spread of {spread[i]:.3g}" for i in coarse[:_NAMED]]
    return (
        f"{'loses' if seen else 'may lose'} digits of {'; '.join(told)}"
        f"{', …' * (len(coarse) > _NAMED)}: subtract a constant, such as the first time, in"
        " training and in what is sent"
    )


def keras_probabilities(network: Any, rows: Array) -> Array:
    """The Keras form's answers, shape (n,)."""
    open_keras()
    found = network.predict(np.asarray(rows, np.float32), batch_size=8 * BATCH, verbose=0)
    answers: Array = np.asarray(found, dtype=np.float64)[:, 0]
    return answers


def tflite_probabilities(tflite: Path, rows: Array) -> Array:
    """The TFLite form's answers, shape (n,), by the runtime that the service uses.

    Raises: ModelError: it cannot be run.
    """
    try:
        return _run(tflite, np.asarray(rows, dtype=np.float32))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"the network cannot be run as TFLite: {first_line(error)}") from error


def _run(tflite: Path, rows: Array) -> Array:
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter: Any = Interpreter(model_path=str(tflite), num_threads=1)
        source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        found = np.empty(len(rows), np.float64)
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            interpreter.resize_tensor_input(source["index"], part.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(source["index"], part)
            interpreter.invoke()
            found[start : start + BATCH] = interpreter.get_tensor(target["index"])[:, 0]
    return found


def golden_answers(tflite: Path, rows: Array, count: int = 8) -> tuple[GoldenAnswer, ...]:
    """Some of the rows with their answers, from the least to the most suspicious."""
    answers = tflite_probabilities(tflite, rows)
    order = np.argsort(answers, kind="stable")
    places = order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
    return tuple(
        GoldenAnswer(
            features=tuple(np.asarray(rows[i], np.float32).astype(float).tolist()),
            probability=float(np.clip(answers[i], 0, 1)),
        )
        for i in dict.fromkeys(places.tolist())
    )
