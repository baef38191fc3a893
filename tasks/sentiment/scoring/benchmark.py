"""Precisions of one model beside one another: what they answer, and how fast, on this machine.

All score the same texts, and their answers are compared with float32's. They are timed in turns,
round after round, so that whatever else the machine is doing meets all of them alike.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.sentiment.scoring.labels import decide
from tasks.sentiment.scoring.model import ModelFolder
from tasks.sentiment.scoring.scorer import Scorer

ROUNDS = 7
HOPELESS = 0.5  # of float32's rate
OUTLIERS = 1  # rounds left out at either end: the machine may be busy for a moment
CHUNK = 32  # texts scored at once at first; then twice as many, and so on
SECONDS = 8.0  # about the longest per precision; a slow model is measured on fewer texts


@dataclass
class Candidate:
    """A model opened in one precision; its answers, and the texts per second of each round."""

    scorer: Scorer
    probability: (
        np.ndarray
    )  # as a Scorer gives them, of the first texts of the sample, as many as there was time for
    rate: float  # of answering these
    rounds: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """Of a precision from float32, on so many texts: the share of equal labels, and the largest
    difference between two probabilities."""

    texts: int
    agreement: float
    largest: float


def open_candidate(
    model: ModelFolder, precision: str, texts: Sequence[str], threads: int
) -> Candidate:
    """Open the model and let it answer the sample."""
    scorer = Scorer(model, precision, threads=threads)
    scorer.score(texts[:CHUNK])  # the first pass also prepares weights and memory
    probabilities: list[np.ndarray] = []
    at, size = 0, CHUNK
    started = time.perf_counter()
    while at < len(texts) and time.perf_counter() - started < SECONDS / 2:
        probabilities.append(scorer.score(texts[at : at + size]))
        at, size = at + size, 2 * size
    scored = np.concatenate(probabilities)
    return Candidate(scorer, scored, len(scored) / (time.perf_counter() - started))


def time_in_turns(candidates: Mapping[str, Candidate], texts: Sequence[str]) -> None:
    """Replace the candidates' rounds by new ones, in which all of them score the same texts.

    One that took more than twice as long as float32 for the sample is not timed again, since
    all would have to make do with the few texts that it manages: its rate stands for its rounds.
    """
    timed = []
    for candidate in candidates.values():
        candidate.rounds = [candidate.rate] * ROUNDS
        if candidate.rate >= candidates["float32"].rate * HOPELESS:
            timed.append(candidate)
            candidate.rounds.clear()
    slowest = min(candidate.rate for candidate in timed)
    count = min(len(texts), max(4, int(slowest * SECONDS / 2 / ROUNDS)))
    for number in range(ROUNDS):
        for candidate in timed if number % 2 else reversed(timed):
            started = time.perf_counter()
            candidate.scorer.score(texts[:count])
            candidate.rounds.append(count / (time.perf_counter() - started))


def compare(candidate: np.ndarray, reference: np.ndarray) -> Difference:
    """Probabilities of the same texts, of which one side may have fewer."""
    count = min(len(candidate), len(reference))
    candidate, reference = candidate[:count], reference[:count]
    same = decide(candidate) == decide(reference)
    largest = np.abs(candidate - reference).max()
    return Difference(count, round(float(same.mean()), 4), round(float(largest), 6))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest, without the outliers at either end where there are enough."""
    ordered = sorted(values)
    left_out = OUTLIERS if len(ordered) > 2 * OUTLIERS + 1 else 0
    return ordered[left_out], ordered[len(ordered) - 1 - left_out]
