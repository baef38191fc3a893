"""Which of a network's outputs is the probability of fraud, and how it becomes one.

What it says of itself is not asked: its answers to some rows show whether they are probabilities.
Where they leave a choice, such as which of two classes is fraud, nothing is guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.fraud.errors import ModelError
from services.modelling.keras import open_keras

SIGMOID, LOGIT, SOFTMAX = "sigmoid", "logit", "softmax"
_KINDS = (SIGMOID, LOGIT, SOFTMAX)
_WHOLE = 1e-3  # by which the probabilities of all classes may miss 1, in half precision too

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Output:
    """One column of one output, and what is made of it.

    Attributes:
        name: of the output.
        kind: sigmoid or softmax: probabilities already; logit: log-odds, of classes if there are
            more columns than one.
        columns: how many.
        positive: which of the classes is fraud, from 0; of one column 1, or 0 where it answers
            with the probability of a genuine transaction.
    """

    name: str
    kind: str
    columns: int
    positive: int

    @property
    def is_plain(self) -> bool:
        """Whether the column is the probability as it is."""
        return self.columns == 1 and self.kind == SIGMOID and self.positive == 1

    def probabilities(self, answers: Mapping[str, Array]) -> Array:
        """From what the network answers by the names of its outputs, shape (n,), float64."""
        found = answers[self.name].astype(np.float64).reshape(-1, self.columns)
        if self.kind == LOGIT:
            # A column is a class beside another one, whose log-odds are 0.
            logits = np.hstack([np.zeros_like(found), found]) if self.columns == 1 else found
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            found = powers / powers.sum(axis=1, keepdims=True)
        elif self.columns == 1:
            found = np.hstack([1 - found, found])
        chosen: Array = found[:, self.positive]
        return chosen

    def attach(self, answer: Any) -> Any:
        """The same in Keras: from the output's tensor to one of shape (n, 1)."""
        keras = open_keras()
        answer = keras.layers.Reshape((self.columns,))(answer)
        if self.columns == 1:
            if self.kind == LOGIT:
                answer = keras.layers.Activation("sigmoid")(answer)
            turned = keras.layers.Rescaling(scale=-1.0, offset=1.0)
            return answer if self.positive == 1 else turned(answer)
        if self.kind == LOGIT:
            answer = keras.layers.Softmax()(answer)
        return answer[:, self.positive : self.positive + 1]

    def describe(self) -> str:
        """In words, for the card."""
        kinds = {
            SIGMOID: "a probability (sigmoid)",
            LOGIT: "log-odds, made a probability (logit)",
            SOFTMAX: "probabilities of classes (softmax)",
        }
        which = "" if self.columns == 1 else f", class {self.positive} of {self.columns} is fraud"
        if self.columns == 1 and self.positive == 0:
            which = ", of a genuine transaction: 1 less it is that of fraud"
        return f"{self.name}: {kinds[self.kind]}{which}"


def choose_output(
    file: Path, option: str | None, positive: int | None, answers: Mapping[str, Array], width: int
) -> Output:
    """The output that was asked for, or the one there is.

    Args:
        file: the network's.
        option: `NAME`, a number from 0, a kind, or `NAME:KIND`.
        positive: which class is fraud.
        answers: by the names of the outputs, to some rows.
        width: how many numbers the network reads.

    Raises: ModelError: there is a choice, or none of them is a probability.
    """
    name, kind = _split(file, option, answers)
    found = answers[name]
    columns = int(np.prod(found.shape[1:]))
    if columns > 1 and kind is None:
        _refuse_reconstruction(file, found, width)
    if columns != max(found.shape[1:], default=1):
        raise ModelError(
            f"{file} answers with {_shape(found)}, not with one probability or one for each class:"
            " let it end with the answer to the last of its steps"
        )
    if columns == 1:
        chosen = Output(name, kind or SIGMOID, 1, 1 if positive is None else positive)
        if chosen.kind == SOFTMAX and found.min() != found.max():
            raise ModelError(f"{file} answers with one number, and a softmax has one per class")
    else:
        chosen = _choose_class(file, name, kind, positive, found)
    if not 0 <= chosen.positive < max(columns, 2):
        raise ModelError(
            f"--positive-class {positive}: {file} has the classes 0 to {max(columns, 2) - 1}"
        )
    return chosen


def _split(file: Path, option: str | None, answers: Mapping[str, Array]) -> tuple[str, str | None]:
    """The output's name, and the kind if one is asked for."""
    names = list(answers)
    asked, _, kind = (option or "").rpartition(":") if ":" in (option or "") else (option, "", "")
    if asked in _KINDS and asked not in names and not kind:
        asked, kind = "", asked
    if kind and kind not in _KINDS:
        raise ModelError(f"--output {option}: {kind} is none of {', '.join(_KINDS)}")
    if not asked:
        if len(names) > 1:
            raise ModelError(
                f"{file} has {len(names)} outputs: say which is the probability of fraud, --output"
                f" {' or '.join(names)}"
            )
        return names[0], kind or None
    if asked not in names and asked.isdecimal() and int(asked) < len(names):
        asked = names[int(asked)]
    if asked not in names:
        raise ModelError(
            f"--output {option}: {file} has the output{'s' * (len(names) > 1)}"
            f" {', '.join(names)}, and the kinds are {', '.join(_KINDS)}"
        )
    return asked, kind or None


def _refuse_reconstruction(file: Path, found: Array, width: int) -> None:
    """Raises: ModelError: it answers with its inputs again."""
    if int(np.prod(found.shape[1:])) == width and not _are_classes(found):
        raise ModelError(
            f"{file} is an autoencoder: it answers with its {width} inputs again, and how far it is"
            " off is no probability of fraud. Train a network on labels instead, which may read"
            " this one's error as a feature"
        )


def _choose_class(
    file: Path, name: str, kind: str | None, positive: int | None, found: Array
) -> Output:
    columns = found.shape[-1] if found.shape[-1] > 1 else int(np.prod(found.shape[1:]))
    start = f"{file} answers with {_shape(found)}"
    if kind is None:
        if not _are_classes(found):
            raise ModelError(
                f"{start}, which are neither one probability nor those of classes (an encoder's"
                f' codes?): end it with Dense(1, activation="sigmoid"), or say what they are:'
                " --output logit or --output sigmoid, and --positive-class"
            )
        kind = SOFTMAX
    if kind == SOFTMAX and not _are_classes(found):
        raise ModelError(f"{start}, which do not add up to 1: --output logit, if they are logits")
    if positive is None:
        raise ModelError(
            f"{start}, one number for each of {columns} classes, not one probability a row: end it"
            ' with Dense(1, activation="sigmoid"), or say which class is fraud, such as'
            " --positive-class 1 where the labels were 0 and 1"
        )
    return Output(name, kind, columns, positive)


def _are_classes(found: Array) -> bool:
    """Whether each row has probabilities that add up to 1, as far as they are numbers."""
    rows = found.reshape(len(found), -1).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    sums = rows.sum(axis=1)
    return bool(len(rows) and rows.min() >= 0 and np.abs(sums - 1).max() <= _WHOLE)


def _shape(found: Array) -> str:
    return str((None, *found.shape[1:]))
