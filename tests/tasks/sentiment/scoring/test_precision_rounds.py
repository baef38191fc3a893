"""The rounds in which precisions are timed."""

from collections.abc import Sequence

import numpy as np

from tasks.sentiment.scoring.benchmark import ROUNDS, Candidate, time_in_turns


class NotedScorer:
    """Notes who was asked for which texts."""

    def __init__(self, name: str, asked: list[tuple[str, list[str]]]) -> None:
        self._name, self._asked = name, asked

    def score(self, texts: Sequence[str]) -> np.ndarray:
        self._asked.append((self._name, list(texts)))
        return np.zeros(len(texts))


def timed(texts: int, **rates: float) -> tuple[dict[str, Candidate], list[tuple[str, list[str]]]]:
    asked: list[tuple[str, list[str]]] = []
    candidates = {
        name: Candidate(NotedScorer(name, asked), np.zeros(1), rate, [1.0])  # type: ignore[arg-type]
        for name, rate in rates.items()
    }
    time_in_turns(candidates, [f"text {i}" for i in range(texts)])
    return candidates, asked


def test_all_score_the_same_texts_round_after_round():
    """Each begins every other round, so that no one always comes after another."""
    candidates, asked = timed(5, float32=100.0, int8=300.0)
    assert all(texts == [f"text {i}" for i in range(5)] for _, texts in asked)
    order = [name for name, _ in asked]
    rounds = [order[i : i + 2] for i in range(0, len(order), 2)]
    assert len(rounds) == ROUNDS
    assert rounds[:2] == [["int8", "float32"], ["float32", "int8"]]
    assert all(len(candidate.rounds) == ROUNDS for candidate in candidates.values())


def test_slow_model_is_timed_on_fewer_texts():
    """A round takes about as long whatever the model."""
    _, asked = timed(1_000, float32=100.0, int8=140.0)
    assert {len(texts) for _, texts in asked} == {57}


def test_hopeless_candidate_does_not_leave_the_others_with_few_texts():
    """Its rate is known well enough."""
    candidates, asked = timed(1_000, float32=100.0, int8=140.0, bfloat16=3.0)
    assert {name for name, _ in asked} == {"float32", "int8"}
    assert {len(texts) for _, texts in asked} == {57}
    assert candidates["bfloat16"].rounds == [3.0] * ROUNDS
