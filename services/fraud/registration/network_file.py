"""A Keras network that somebody already has, in a file: opened, and enclosed for the service.

- `.keras` and the older `.h5`. Neither may hold code: no Lambda layers, no classes of their own.
  A loss or a metric of somebody's own is no hindrance: it is no part of what is opened.
- Some numbers in, one probability out. What is before and behind the network, its scaling, the
  shape it reads and the output that counts, becomes a part of it. What it answers to a few thousand
  made-up rows has to lie in [0, 1] and must not always be the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import ModelError
from services.fraud.registration.feature_names import Named, find_names
from services.fraud.registration.outputs import Output, choose_output
from services.fraud.registration.rows import draw_rows, draw_wide_rows
from services.fraud.registration.scaling import Scaling, read_scaling
from services.fraud.training.conversion import BATCH
from services.fraud.transactions.features import FEATURES
from services.modelling.keras import first_line, open_keras, quiet
from services.modelling.keras_file import (
    HALF,
    KerasFileError,
    find_code,
    find_stateful,
    in_float32,
    in_free_batches,
    open_described,
    precisions,
    read_description,
    unrolled,
)

_SAME = 1e-5  # by which answers may differ in float32
_SAME_AS_HALF = 0.02  # where the network had two or three decimals itself

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class NetworkOptions:
    """What the owner of a network says of it.

    Attributes:
        features: "handbook", or a file with the names of the features in order.
        scaling: file with what comes before the network; see `read_scaling`.
        output: which output is meant and what it is; see `choose_output`.
        positive_class: which class is fraud.
        known: rows with their answers; see `read_known`.
    """

    features: str | None = None
    scaling: Path | None = None
    output: str | None = None
    positive_class: int | None = None
    known: Path | None = None


@dataclass(frozen=True, eq=False)
class Network:
    """A network as it was saved, and what is before and behind it."""

    inner: Any  # keras.Model, in float32
    shape: tuple[int, ...]  # of a row that it reads
    named: Named
    scaling: Scaling | None
    output: Output
    rows: Array  # made up, float32

    def answer(self, rows: Array) -> Array:
        """The probabilities of rows as they are sent, shape (n,), by Keras and NumPy."""
        return self.output.probabilities(
            _raw_answers(self.inner, _as_read(rows, self.scaling, self.shape))
        )

    def enclosed(self) -> Any:
        """The `keras.Model` from rows as they are sent, (n, features), to probabilities (n, 1)."""
        keras = open_keras()
        width = len(self.named.names)
        if self.scaling is None and self.shape == (width,) and self._answers_plainly():
            return self.inner
        rows = values = keras.Input((width,), name="features")
        if self.scaling is not None:
            values = keras.layers.Normalization(
                mean=self.scaling.centre, variance=self.scaling.scale**2
            )(values)
        if self.shape != (width,):
            values = keras.layers.Reshape(self.shape)(values)
        answers = _by_name(self.inner, self.inner(values))
        return keras.Model(rows, self.output.attach(answers[self.output.name]))

    def _answers_plainly(self) -> bool:
        return (
            self.output.is_plain
            and [tuple(tensor.shape) for tensor in self.inner.outputs] == [(None, 1)]
            and not isinstance(getattr(self.inner, "output", None), dict)
        )


def open_network(file: Path, options: NetworkOptions | None = None) -> Any:
    """The `keras.Model` of a file, enclosed for the service; nothing that it holds is executed.

    Raises: ModelError: not such a file, or a network of another kind.
    """
    return inspect_network(file, options or NetworkOptions()).enclosed()


def inspect_network(file: Path, options: NetworkOptions) -> Network:
    """The network in a file, in float32, with what its owner says of it.

    Raises: ModelError: not such a file, or a network of another kind.
    """
    try:
        return _inspect(file, options)
    except KerasFileError as error:
        raise ModelError(str(error)) from error


def _inspect(file: Path, options: NetworkOptions) -> Network:
    description = in_free_batches(read_description(file))
    if code := find_code(description):
        raise ModelError(
            f"{file} has a layer with code of its own ({code}): only Keras's own layers are opened"
        )
    if stateful := find_stateful(description):
        raise ModelError(
            f"{file}: its layer {stateful} remembers what it was asked before (stateful), so"
            " that an answer would depend on the one before: build it without"
        )
    plain = unrolled(in_float32(description))
    inner = open_described(file, plain)
    shape = _shape_of_row(file, inner)
    width, steps = _width_and_steps(shape)
    read = None if options.scaling is None else read_scaling(options.scaling)
    named = find_names(options.features, file, width, steps, read.names if read else None)
    scaling = read and options.scaling and read.of_features(named.names, steps, options.scaling)
    rows = draw_rows(named.names, scaling or None)
    values = _as_read(rows, scaling or None, shape)
    answers = _try_answers(file, inner, values)
    _check_finite(file, inner, answers)
    output = choose_output(file, options.output, options.positive_class, answers, width)
    network = Network(inner, shape, named, scaling or None, output, rows)
    if plain != description:
        before = _try_answers(file, open_described(file, description), values)
        _check_sameness(file, description, output, before, answers)
    _check_answers(file, network, output.probabilities(answers))
    return network


def _shape_of_row(file: Path, network: Any) -> tuple[int, ...]:
    """Of what the network reads for one transaction."""
    inputs = list(getattr(network, "inputs", None) or [])
    if not inputs:
        raise ModelError(
            f"{file} does not say what it reads: begin the network with Input((n,)) for n features,"
            f" such as Input(({len(FEATURES)},)), and save it again"
        )
    if len(inputs) > 1:
        names = ", ".join(str(tensor.name) for tensor in inputs)
        raise ModelError(
            f"{file} reads {len(inputs)} inputs ({names}): the service sends one list of numbers,"
            " so join them within the network (Input, then slices of it)"
        )
    kind = str(inputs[0].dtype)
    if kind != "float32":
        raise ModelError(f"{file} reads numbers of {kind}, and the features are float32")
    shape = tuple(inputs[0].shape)[1:]
    if not shape or None in shape:
        raise ModelError(
            f"{file} reads {(None, *shape)}, which leaves open how many numbers make a transaction:"
            " fix its shape and save it again"
        )
    return tuple(int(size) for size in shape)


def _width_and_steps(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers a row has, and in how many groups they come one after another."""
    width = int(np.prod(shape))
    groups = [size for size in shape if size != 1] or [1]
    return width, width // groups[-1]


def _as_read(rows: Array, scaling: Scaling | None, shape: tuple[int, ...]) -> Array:
    scaled = np.asarray(rows, np.float32) if scaling is None else scaling.apply(rows)
    return scaled.reshape(-1, *shape)


def _raw_answers(network: Any, values: Array) -> dict[str, Array]:
    found = _by_name(network, network.predict(values, batch_size=8 * BATCH, verbose=0))
    return {name: np.asarray(answers) for name, answers in found.items()}


def _by_name(network: Any, found: Any) -> dict[str, Any]:
    """A network's answers by the names of its outputs."""
    if isinstance(found, Mapping):
        return {str(name): answers for name, answers in found.items()}
    answers = list(found) if isinstance(found, list | tuple) else [found]
    names = list(getattr(network, "output_names", None) or [])
    if len(set(names)) != len(answers):
        names = [f"output_{place}" for place in range(len(answers))]
    return dict(zip(map(str, names), answers, strict=True))


def _try_answers(file: Path, network: Any, values: Array) -> dict[str, Array]:
    try:
        with quiet():
            return _raw_answers(network, values)
    except Exception as error:  # TensorFlow raises whatever its parts do
        raise ModelError(
            f"{file} cannot answer for {values[0].size} features: {first_line(error)}"
        ) from error


def _check_finite(file: Path, network: Any, answers: Mapping[str, Array]) -> None:
    if all(np.isfinite(found).all() for found in answers.values()):
        return
    broken = [
        str(layer.name)
        for layer in network.layers
        if not all(np.isfinite(weights).all() for weights in layer.get_weights())
    ]
    why = f": the weights of {', '.join(broken[:3])} are none, its training diverged"
    raise ModelError(
        f"{file} answers with NaN or infinity to ordinary transactions{why if broken else ''}"
    )


def _check_sameness(
    file: Path,
    description: Any,
    output: Output,
    before: Mapping[str, Array],
    answers: Mapping[str, Array],
) -> None:
    """Compare with the network as it was saved; in half precision rows may be out of its range."""
    first, second = output.probabilities(before), output.probabilities(answers)
    difference = np.abs(first - second)[np.isfinite(first) & np.isfinite(second)]
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


def _check_answers(file: Path, network: Network, answers: Array) -> None:
    if answers.min() < 0 or answers.max() > 1:
        raise ModelError(
            f"{file} answers from {answers.min():.4g} to {answers.max():.4g}, which are no"
            " probabilities: end the network with a sigmoid, or say that they are log-odds with"
            " --output logit"
        )
    if answers.min() == answers.max():
        wide = network.answer(draw_wide_rows(len(network.named.names)))
        if wide.min() == wide.max() == answers.min():
            raise ModelError(f"{file} answers {answers.min():.4g} to everything")
