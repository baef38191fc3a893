"""Known texts: right models pass, wrong ones are stopped with a reason."""

from collections.abc import Sequence

import numpy as np
import pytest

from tasks.sentiment.errors import GoldenError
from tasks.sentiment.scoring.golden import GOLDEN_TEXTS, check_golden
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.scorer import Scorer
from tests.tasks.sentiment.tiny_model import (
    rewrite_config,
    tiny_network,
    write_able_model,
    write_model,
)


class FakeScorer:
    """Answers in order, whatever the texts."""

    def __init__(self, probabilities: Sequence[float]) -> None:
        self.probabilities = probabilities
        self.texts: list[str] = []

    def score(self, texts: Sequence[str]) -> np.ndarray:
        self.texts = list(texts)
        return np.array(self.probabilities)


RIGHT = [0.9 if golden.label == "POSITIVE" else 0.1 for golden in GOLDEN_TEXTS]


def test_right_answers_pass():
    """All known texts are asked, and nothing happens."""
    scorer = FakeScorer(RIGHT)

    check_golden(scorer)

    assert len(scorer.texts) == len(GOLDEN_TEXTS)


def test_wrong_answer_is_told_with_text_label_and_probability():
    """The operator reads what was asked, expected and answered, and where to look."""
    with pytest.raises(GoldenError) as caught:
        check_golden(FakeScorer([*RIGHT[:-1], 0.75]))
    message = str(caught.value)
    for part in ("1 of 10", "Very poor quality", "NEGATIVE and got POSITIVE", "0.750", "tokenizer"):
        assert part in message
    assert "\n" not in message


def test_texts_are_cleaned_as_reviews_are():
    """Entities and mark-up do not reach the model."""
    scorer = FakeScorer(RIGHT)
    check_golden(scorer)
    assert not any("&" in text.replace(" & ", "") or "<" in text for text in scorer.texts)


def test_labels_are_balanced_and_one_text_is_long():
    """A model that always answers the same fails, and so does one that reads heads only."""
    assert sorted(golden.label for golden in GOLDEN_TEXTS) == ["NEGATIVE"] * 5 + ["POSITIVE"] * 5
    assert any(len(golden.raw_text.split()) > 400 for golden in GOLDEN_TEXTS)


@pytest.fixture
def able(tmp_path):
    return write_able_model(tmp_path / "able")


def test_swapped_labels_and_foreign_weights_are_stopped(able, tmp_path):
    """The model passes; with labels swapped or another's weights it does not."""
    check_golden(Scorer(find_model(str(able), cache=tmp_path)))
    rewrite_config(able, id2label={"0": "POSITIVE", "1": "NEGATIVE"})
    foreign = write_model(tmp_path / "foreign", tiny_network())
    for folder in (able, foreign):
        with pytest.raises(GoldenError):
            check_golden(Scorer(find_model(str(folder), cache=tmp_path)))
