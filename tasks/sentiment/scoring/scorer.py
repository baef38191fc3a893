"""Texts in, probabilities out: as fast as the machine allows, and the same every time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from tasks.sentiment.scoring.machine import usable_cores
from tasks.sentiment.scoring.model import ModelFolder
from tasks.sentiment.scoring.runtime import open_forward
from tasks.sentiment.scoring.tokens import Batch, TokenReader

PRECISIONS = ("float32", "bfloat16", "int8")  # the more exact first
DECIMALS = 6


class TextScorer(Protocol):
    """What scores texts: a Scorer, or another with its method."""

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Positive probabilities of cleaned texts, float64, shape (texts,), in their order."""


class Scorer:
    """A model, opened for one precision; any number of threads may share it.

    precision: as given; device: "cpu", or torch's name of a GPU.
    """

    def __init__(
        self, model: ModelFolder, precision: str = "float32", *, threads: int | None = None
    ) -> None:
        """threads: passes side by side; None: one per usable core.

        Raises: ModelError: the model cannot be computed in this precision.
        """
        self._reader = TokenReader(model.tokenizer, model.max_tokens, model.pad_id)
        self._forward = open_forward(model, precision, threads or usable_cores())
        self._positive_id, self._negative_id = model.positive_id, model.negative_id
        self._passes = ThreadPoolExecutor(self._forward.passes, thread_name_prefix="score")
        self.model, self.precision, self.device = model, precision, self._forward.device

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Positive probabilities of cleaned texts, float64, shape (texts,), in their order.

        Rounded to 6 decimals, which two runs of the same list share on one machine. Equal
        texts are computed once.
        """
        place: dict[str, int] = {}
        places = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
        if not place:
            return np.empty(0)
        ids = self._reader.read(list(place))
        batches = self._reader.batches(ids, self._forward.token_budget)
        probability = np.empty(len(place))
        for batch, answer in zip(batches, self._passes.map(self._answer, batches), strict=True):
            probability[batch.rows] = answer
        return np.round(probability, DECIMALS)[places]

    def _answer(self, batch: Batch) -> np.ndarray:
        logits = self._forward(batch.ids, batch.lengths).astype(np.float64)
        difference = logits[:, self._negative_id] - logits[:, self._positive_id]
        return 1 / (1 + np.exp(np.clip(difference, -500, 500)))
