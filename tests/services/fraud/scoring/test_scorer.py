"""The scorer: the fast ways equal the plain one, and a model that is not its card's is refused."""

import math
import shutil

import numpy as np
import pytest

from services.fraud.errors import ModelError
from services.fraud.scoring.card import Card, unknown_features
from services.fraud.scoring.scorer import BATCH, FraudScorer
from services.fraud.transactions.features import FEATURES, table_features
from tests.services.fraud.running import GENUINE


@pytest.fixture(scope="module")
def scorer(model_folder):
    return FraudScorer(model_folder, "model:1")


@pytest.fixture
def changed(model_folder, tmp_path):
    """A copy of the model whose files may be changed."""
    return shutil.copytree(model_folder, tmp_path / "changed")


@pytest.mark.parametrize("count", [1, 2, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 3])
def test_batches_give_what_rows_alone_give(scorer, transactions, count):
    """Whatever the size of a batch, each row gets its own probability."""
    rows = table_features(transactions)[:count].astype(np.float32)
    alone = [scorer.probability(row) for row in rows.tolist()]

    assert scorer.probabilities(rows) == pytest.approx(alone, abs=1e-6)


def test_causes_are_the_changes_in_log_odds(scorer):
    """Each effect is what taking the typical value alone would change, strongest first."""
    features = [900.0, 1.0, *GENUINE[2:]]
    probability = scorer.probability(features)
    causes = scorer.causes(features, probability, most=len(FEATURES))

    assert causes == sorted(causes, key=lambda cause: -abs(cause.effect))
    for cause in causes:
        place = FEATURES.index(cause.feature)
        typical = scorer.card.features[place].typical
        other = scorer.probability([*features[:place], typical, *features[place + 1 :]])
        expected = log_odds(probability) - log_odds(other)
        assert (cause.value, cause.typical) == (features[place], typical)
        assert cause.effect == pytest.approx(expected, abs=2e-3)


def log_odds(probability):
    return math.log(probability / (1 - probability))


def test_three_causes_are_told_at_most(scorer):
    """An analyst gets what matters."""
    features = [900.0, 1.0, 1.0, *GENUINE[3:]]
    assert len(scorer.causes(features, scorer.probability(features))) <= 3


def test_card_without_typical_values_gives_no_causes(changed):
    """A network that somebody else trained answers all the same."""
    card = Card.read(changed)
    card.model_copy(update={"features": unknown_features()}).write(changed)
    scorer = FraudScorer(changed, "model:1")

    assert scorer.causes(GENUINE, scorer.probability(GENUINE)) == []


def test_model_that_answers_otherwise_than_its_card_is_refused(changed):
    """A card beside the weights of another model does not come into service."""
    card = Card.read(changed)
    first = card.golden[0]
    other = first.model_copy(update={"probability": abs(first.probability - 0.1)})
    card.model_copy(update={"golden": (other, *card.golden[1:])}).write(changed)

    with pytest.raises(ModelError, match="do not belong together"):
        FraudScorer(changed, "model:1")


@pytest.mark.parametrize("content", [b"", b"no model", b"TFL3" + bytes(2_000)])
def test_file_that_is_no_model_is_refused(changed, content):
    """By one line, and without ending the process."""
    (changed / "model.tflite").write_bytes(content)
    with pytest.raises(ModelError):
        FraudScorer(changed, "model:1")
