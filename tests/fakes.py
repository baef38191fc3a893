"""Stand-ins at the border, on the interface of the real thing."""

import hashlib
import time
from collections.abc import Sequence

import numpy as np


class FakeScorer:
    """A scorer whose probability is a function of the text alone, without a model."""

    precision = "float32"

    def __init__(self, seconds_per_text: float = 0.0) -> None:
        self.seconds_per_text = seconds_per_text
        self.scored: list[str] = []

    def score(self, texts: Sequence[str]) -> np.ndarray:
        self.scored += texts
        time.sleep(self.seconds_per_text * len(texts))
        return np.array([self.probability(text) for text in texts])

    @staticmethod
    def probability(text: str) -> float:
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:4]) % 1_000_001 / 1e6
