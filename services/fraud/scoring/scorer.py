"""A model that answers: its TFLite form in LiteRT, with its card.

One scorer belongs to one thread, but for `probabilities`, which has an interpreter of its own
behind a lock.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.fraud.errors import ModelError
from services.fraud.scoring.card import Card
from services.fraud.scoring.model_input import input_of

BATCH = 1_024  # rows at once: larger ones are no faster
GOLDEN_TOLERANCE = 1e-5
LEAST_EFFECT = 1e-4  # log-odds


@dataclass(frozen=True)
class Cause:
    """A feature that moved the probability; see `Reason` for the fields."""

    feature: str
    value: float
    typical: float
    effect: float


class FraudScorer:
    """Probabilities of fraud from rows of the features that the model reads.

    Attributes:
        input: these features; what requests to this model are checked by.
        knows_typical: whether its card has typical values, without which no causes are known.
    """

    def __init__(self, folder: Path, tag: str) -> None:
        """Open a model folder.

        Raises: ModelError: the folder holds no model that works.
        """
        self.tag = tag
        self.card = Card.read(folder)
        self.threshold = self.card.threshold
        self.input = input_of(self.card)
        width = self.input.width
        self._path = folder / "model.tflite"
        self._one = _Interpreter(self._path, 1, width)
        self._many: _Interpreter | None = None  # most workers never see a batch
        self._lock = threading.Lock()
        typical = [feature.typical for feature in self.card.features]
        self._typical = [value for value in typical if value is not None]
        self.knows_typical = len(self._typical) == width
        self._each = _Interpreter(self._path, width, width) if self.knows_typical else None
        self._diagonal = (np.arange(width), np.arange(width))
        self._check()

    def is_stored(self) -> bool:
        """Whether the files it was opened from are still there."""
        return self._path.is_file()

    def _check(self) -> None:
        """Warm up, and answer the card's transactions as training did.

        Raises: ModelError: an answer is another, so this is not the model that the card describes.
        """
        for known in self.card.golden:
            found = self.probability(known.features)
            if abs(found - known.probability) > GOLDEN_TOLERANCE:
                raise ModelError(
                    f"{self.tag} answers {found:.6f} where its card says"
                    f" {known.probability:.6f}: model.tflite and card.json do not belong together"
                )
            self.causes(known.features, found)

    def probability(self, features: Sequence[float]) -> float:
        """The probability of fraud of one transaction.

        features: finite numbers, in the order of `input.names`.
        """
        interpreter = self._one
        interpreter.rows[0] = features
        interpreter.invoke()
        return float(interpreter.output()[0, 0])

    def probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probabilities of many transactions; from any thread, one at a time.

        rows: shape (n, width). Returns shape (n,).
        """
        found = np.empty(len(rows), np.float32)
        with self._lock:
            interpreter = self._many = self._many or _Interpreter(
                self._path, BATCH, self.input.width
            )
            for start in range(0, len(rows), BATCH):
                part = rows[start : start + BATCH]
                interpreter.rows[: len(part)] = part
                interpreter.invoke()
                found[start : start + BATCH] = interpreter.output()[: len(part), 0]
        return found

    def causes(self, features: Sequence[float], probability: float, most: int = 3) -> list[Cause]:
        """The features that moved the probability most, strongest first.

        Each in turn takes its typical value, and the change in log-odds is its effect. None are
        known of a model whose card has no typical values. probability: that of the features.
        """
        interpreter = self._each
        if interpreter is None:
            return []
        row = np.array(features, np.float32)
        interpreter.rows[:] = row
        interpreter.rows[self._diagonal] = self._typical
        interpreter.invoke()
        without = np.clip(interpreter.output()[:, 0].astype(float), _TINY, 1 - _TINY)
        own = min(max(probability, _TINY), 1 - _TINY)
        effects = np.log(own / (1 - own)) - np.log(without / (1 - without))
        order = np.argsort(-np.abs(effects), kind="stable")[:most]
        strongest = [int(i) for i in order if abs(effects[i]) > LEAST_EFFECT]
        names = self.input.names
        return [
            Cause(names[i], features[i], self._typical[i], round(float(effects[i]), 4))
            for i in strongest
        ]


_TINY = 1e-7


class _Interpreter:
    """LiteRT for a fixed number of rows: fill `rows`, `invoke`, read `output`."""

    def __init__(self, path: Path, rows: int, width: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
            source, target = self._ends()
            self._interpreter.resize_tensor_input(source["index"], [rows, width])
            self._interpreter.allocate_tensors()
            source, target = self._ends()
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(f"{path} is no model for LiteRT: {str(error)[:200]}") from error
        if tuple(source["shape"]) != (rows, width) or source["dtype"] != np.float32:
            raise ModelError(f"{path} takes {source['shape']} of {source['dtype']}, not float32")
        self._interpreter.invoke()  # a resized output gets its shape here
        self._input, self._output = source["index"], target["index"]
        shape = tuple(self._interpreter.get_tensor(self._output).shape)
        if shape != (rows, 1):
            raise ModelError(f"{path} answers with {shape}, not with one probability for each row")
        self.rows: NDArray[np.float32] = np.zeros((rows, width), np.float32)

    def _ends(self) -> tuple[Any, Any]:
        return self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]

    def invoke(self) -> None:
        self._interpreter.set_tensor(self._input, self.rows)
        self._interpreter.invoke()

    def output(self) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        return found
