"""What a card promises to whoever reads it."""

import json

import numpy as np
import pytest

from services.fraud.errors import ModelError
from services.fraud.scoring.card import Card, describe_features
from services.fraud.transactions.features import FEATURES


def test_card_comes_back_as_it_was_written(model_folder, tmp_path):
    """Every number to the last bit."""
    card = Card.read(model_folder)
    card.write(tmp_path)

    assert Card.read(tmp_path) == card
    assert card.metrics is not None and card.baseline_metrics is not None
    assert card.alerts_per_day == 10 and 0 < card.threshold < 1
    assert card.parity.rows >= 10_000 and card.parity.largest_difference <= 1e-5
    assert len(card.golden) == 8 and card.data_digest and card.trained_at
    assert card.periods["test"].split()[1] == "to"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"surprise": 1}, "surprise"),
        ({"canary": []}, "canary"),
        ({"features": []}, "features"),
    ],
)
def test_damaged_card_is_refused_by_the_name_of_its_field(model_folder, tmp_path, change, message):
    """One line that names file and field."""
    entries = json.loads((model_folder / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps({**entries, **change}))

    with pytest.raises(ModelError, match=rf"card\.json is no card: {message}"):
        Card.read(tmp_path)


def test_features_in_another_order_are_refused(model_folder, tmp_path):
    """The numbers would be taken for others."""
    entries = json.loads((model_folder / "card.json").read_text())
    entries["features"].reverse()
    (tmp_path / "card.json").write_text(json.dumps(entries))

    with pytest.raises(ModelError, match="another order"):
        Card.read(tmp_path)


def test_missing_card_is_a_model_error(tmp_path):
    """It names the file."""
    with pytest.raises(ModelError, match=r"card\.json cannot be read"):
        Card.read(tmp_path)


def test_bins_hold_the_shares_that_they_say():
    """Also of a feature with two values, and of one that is always the same."""
    draws = np.random.default_rng(0)
    rows = draws.lognormal(3, 1, (5_000, len(FEATURES)))
    rows[:, 1], rows[:, 2] = draws.random(5_000) < 0.3, 7.0
    is_fraud = draws.random(5_000) < 0.01

    described = describe_features(rows, is_fraud)

    for place, feature in enumerate(described):
        bins = np.searchsorted(feature.bins, rows[:, place], side="left")
        counts = np.bincount(bins, minlength=len(feature.shares))
        assert feature.shares == pytest.approx(tuple(counts / 5_000))
        assert feature.minimum == rows[:, place].min()
        assert feature.maximum == rows[:, place].max()
    assert [len(feature.bins) for feature in described[:4]] == [9, 1, 0, 9]
    assert described[0].typical == np.median(rows[~is_fraud, 0])
