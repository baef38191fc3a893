"""Known texts: right models pass, wrong ones are stopped with a reason."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tasks.sentiment.errors import GoldenError, ModelError
from tasks.sentiment.scoring.golden import GOLDEN_TEXTS, check_golden, golden_texts
from tasks.sentiment.scoring.model import find_model
from tasks.sentiment.scoring.precision import open_scorer
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


OWN = [("gut", "POSITIVE"), ("toll", "POSITIVE"), ("schön", "POSITIVE")]
OWN += [("schlecht", "NEGATIVE"), ("übel", "NEGATIVE"), ("kaputt", "NEGATIVE")]


def write_own(folder: Path, rows: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "known_texts.json").write_text(json.dumps(rows))
    return folder


def test_model_of_another_language_brings_its_texts(able, tmp_path):
    """They are asked in place of the English ones, and a wrong answer is told likewise."""
    rows = [{"text": text, "label": label} for text, label in OWN]
    own = golden_texts(write_own(tmp_path / "own", rows))
    scorer = FakeScorer([0.9, 0.9, 0.9, 0.1, 0.1, 0.1])

    check_golden(scorer, own)

    assert scorer.texts == [text for text, _ in OWN]
    with pytest.raises(GoldenError, match=r"1 of 6 known texts wrong, first: \"kaputt\"") as caught:
        check_golden(FakeScorer([0.9, 0.9, 0.9, 0.1, 0.1, 0.6]), own)
    assert "English" not in str(caught.value)

    wrong = [{"text": golden.raw_text, "label": "POSITIVE"} for golden in GOLDEN_TEXTS[5:]]
    right = [{"text": golden.raw_text, "label": "NEGATIVE"} for golden in GOLDEN_TEXTS[:5]]
    write_own(able, [*wrong, *right])
    with pytest.raises(GoldenError, match="10 of 10 known texts wrong"):
        open_scorer(find_model(str(able), cache=tmp_path), "float32", threads=1)


@pytest.mark.parametrize(
    "rows",
    [
        {"text": "gut"},
        ["gut"],
        [{"text": "gut", "label": "POSITIVE"}] * 9,
        [{"text": 5, "label": label} for _, label in OWN],
        [{"text": text} for text, _ in OWN],
        [{"text": text, "label": [label]} for text, label in OWN],
        [{"text": text, "label": label.lower()} for text, label in OWN],
    ],
)
def test_texts_that_could_not_tell_a_wrong_model_are_refused(tmp_path, rows):
    """A file that checks nothing must not pass for a check."""
    with pytest.raises(ModelError, match=r"known_texts\.json"):
        golden_texts(write_own(tmp_path / "own", rows))


def test_labels_are_called_swapped_only_where_swapping_them_mends_all():
    """A model that does not read English is not sent to turn a right choice round."""
    swapped = [1 - probability for probability in RIGHT]
    with pytest.raises(GoldenError, match="its labels are swapped"):
        check_golden(FakeScorer(swapped))

    with pytest.raises(GoldenError, match="does not read English") as caught:
        check_golden(FakeScorer([*swapped[:-1], RIGHT[-1]]))
    assert "swapped" not in str(caught.value)
