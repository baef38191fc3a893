"""Texts in, probabilities out: as fast as the machine allows, and the same every time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from services.reporting.figures import counted
from tasks.sentiment.errors import ModelError
from tasks.sentiment.scoring.machine import usable_cores
from tasks.sentiment.scoring.model import ModelFolder
from tasks.sentiment.scoring.runtime import open_forward
from tasks.sentiment.scoring.tokens import PAD_TO, Batch, TokenReader

PRECISIONS = ("float32", "bfloat16", "int8")  # the more exact first
DECIMALS = 6


class TextScorer(Protocol):
    """What scores texts: a Scorer, or another with its method."""

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of cleaned texts, float64, in their order: shape (texts,), of POSITIVE, or
        (texts, 2), of POSITIVE and of NEUTRAL."""


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
        inputs = model.inputs
        self._forward = open_forward(model, precision, threads or usable_cores())
        self._reader = TokenReader(
            model.tokenizer,
            inputs.max_tokens,
            inputs.pad_id,
            pad_to=PAD_TO if inputs.may_pad else 1,
            most_texts=1 if inputs.one_by_one else None,
        )
        self._passes = ThreadPoolExecutor(self._forward.passes, thread_name_prefix="score")
        self.model, self.precision, self.device = model, precision, self._forward.device

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of cleaned texts, float64, in their order: shape (texts,), of POSITIVE, or
        (texts, 2), of POSITIVE and of NEUTRAL, where the model has such a label.

        Rounded to 6 decimals, which two runs of the same list share on one machine. Equal
        texts are computed once.
        Raises: ModelError: the model cannot be computed on one of them.
        """
        place: dict[str, int] = {}
        places = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
        shape = (len(place), 2) if self.model.labels.has_neutral else (len(place),)
        if not place:
            return np.empty(shape)
        ids = self._reader.read(list(place))
        batches = self._reader.batches(ids, self._forward.token_budget)
        probability = np.empty(shape)
        for batch, answer in zip(batches, self._passes.map(self._answer, batches), strict=True):
            probability[batch.rows] = answer
        return np.round(probability, DECIMALS)[places]

    def _answer(self, batch: Batch) -> np.ndarray:
        labels = self.model.labels
        logits = self._forward(batch.ids, batch.lengths)
        if logits.shape != (len(batch.rows), len(labels.names)):
            raise ModelError(
                f"the model {self.model.name} names {counted(len(labels.names), 'label')} and"
                f" answers {counted(logits.shape[-1], 'number')}: they do not belong together"
            )
        return labels.probabilities(logits)
