"""What a card promises to whoever reads it."""

import json

import numpy as np
import pytest

from services.fraud.errors import ModelError
from services.fraud.scoring.card import (
    HANDBOOK,
    OWN,
    Card,
    GoldenAnswer,
    Parity,
    contract_of,
    describe_features,
    numbered,
    unknown_features,
)
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


def test_card_without_a_contract_is_the_handbooks(model_folder, tmp_path):
    """As earlier versions wrote it."""
    entries = json.loads((model_folder / "card.json").read_text())
    del entries["contract"], entries["assumed"]
    (tmp_path / "card.json").write_text(json.dumps(entries))

    card = Card.read(tmp_path)
    assert (card.contract, card.names, card.width) == (HANDBOOK, FEATURES, 15)
    assert card == Card.read(model_folder)


def own_card(names: tuple[str, ...], width: int) -> Card:
    return Card(
        contract=OWN,
        features=unknown_features(names),
        threshold=0.5,
        code_version="test",
        parity=Parity(rows=10_000, largest_difference=0),
        golden=(GoldenAnswer(features=(1.0,) * width, probability=0.1),),
    )


def test_card_of_an_own_contract_has_its_own_features(tmp_path):
    """As many as the network reads, whatever their names; also fifteen of them."""
    own_card(("V1", "V2", "Amount"), 3).write(tmp_path)

    card = Card.read(tmp_path)
    assert (card.contract, card.names, card.width) == (OWN, ("V1", "V2", "Amount"), 3)
    assert contract_of(card.names) == contract_of(numbered(15)) == OWN
    assert contract_of(FEATURES) == HANDBOOK
    assert own_card(numbered(15), 15).names[:2] == ("feature_1", "feature_2")


@pytest.mark.parametrize(
    ("names", "width", "message"),
    [
        (("a", "a"), 2, "two have the same name"),
        ((), 1, "there is none"),
        (("a", "b"), 3, "a row has not the 2 features"),
    ],
)
def test_features_of_an_own_contract_are_held_to_one_another(names, width, message):
    """Names once each, and golden rows as wide as they are many."""
    with pytest.raises(ValueError, match=message):
        own_card(names, width)


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
