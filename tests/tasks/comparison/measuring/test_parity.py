"""Parity: the same rows get the same scores in all ways, and one that prepares them otherwise is
found."""

import numpy as np
import pytest

from services.fraud import night
from services.fraud.scoring.detector import Detector
from tasks.comparison.measurement import Way
from tasks.comparison.measuring.doors import device, fraud, sentiment
from tasks.comparison.measuring.doors.subject import PARITY_ROWS
from tasks.comparison.measuring.parity import compare_scores
from tasks.sentiment import text as sentiment_text
from tasks.sentiment.reading import reviews
from tasks.sentiment.service import request
from tests.tasks.comparison.measuring.three_doors import FRAUD, SENTIMENT

FEW = 200  # rows on which a broken way shows


def at_half(scores):
    return scores >= 0.5


@pytest.fixture(scope="module")
def fraud_rows(training_data):
    """Features of simulated transactions, the last ones."""
    return training_data.rows[-PARITY_ROWS:]


@pytest.fixture(scope="module")
def fraud_scores(model_folder, fraud_rows, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("fraud")
    return {way: score(model_folder, fraud_rows, scratch) for way, score in FRAUD.items()}


@pytest.fixture(scope="module")
def texts():
    """Reviews as they were written, with entities and mark-up in some."""
    found = sentiment.varied_texts(PARITY_ROWS)
    return [f"{t} &lt;br&gt; <i>so</i>&#33;" if i % 3 == 0 else t for i, t in enumerate(found)]


@pytest.fixture(scope="module")
def sentiment_scores(texts, tmp_path_factory):
    return {way: score(texts, tmp_path_factory.mktemp(way)) for way, score in SENTIMENT.items()}


def test_fraud_model_answers_alike_in_all_ways(fraud_scores):
    """A thousand rows as a night, over HTTP and on the device differ by 1e-5 at most."""
    parity = compare_scores(fraud_scores, fraud.TOLERANCE, at_half)
    assert parity.rows == PARITY_ROWS == 1_000
    assert len(parity.differences) == 3
    assert parity.holds, parity.differences
    assert np.ptp(fraud_scores[Way.NIGHT]) > 0.1  # they are not all the same


def test_sentiment_model_answers_alike_in_all_ways(sentiment_scores):
    """A thousand reviews as a night, over HTTP and on the device differ by 1e-4 at most."""
    parity = compare_scores(sentiment_scores, sentiment.TOLERANCE, at_half)
    assert parity.rows == PARITY_ROWS
    assert len(parity.differences) == 3
    assert parity.holds, parity.differences
    assert np.ptp(sentiment_scores[Way.NIGHT]) > 0.5


def amounts_in_cents(features):
    changed = np.array(features, np.float32)
    changed[..., 0] *= 100
    return changed


def break_fraud(way, monkeypatch):
    """Let one way take amounts in cents where the others take them as they are."""
    if way == Way.NIGHT:
        features_of = night.features_of
        monkeypatch.setattr(night, "features_of", lambda *a: amounts_in_cents(features_of(*a)))
    elif way == Way.DEVICE:
        tensor_of = device.tensor_of
        monkeypatch.setattr(device, "tensor_of", lambda row: amounts_in_cents(tensor_of(row)))
    else:
        detect = Detector.detect
        monkeypatch.setattr(
            Detector,
            "detect",
            lambda self, scorer, features, *rest, **options: detect(
                self, scorer, amounts_in_cents(features).tolist(), *rest, **options
            ),
        )


@pytest.mark.parametrize("way", list(Way))
def test_fraud_features_prepared_otherwise_in_one_way_are_found(
    way, fraud_scores, model_folder, fraud_rows, tmp_path, monkeypatch
):
    break_fraud(way, monkeypatch)
    broken = FRAUD[way](model_folder, fraud_rows[:FEW], tmp_path)
    scores = {**{other: fraud_scores[other][:FEW] for other in Way}, way: broken}
    parity = compare_scores(scores, fraud.TOLERANCE, at_half)
    assert not parity.holds
    apart = {d.ways for d in parity.differences if d.largest > parity.tolerance}
    assert apart == {d.ways for d in parity.differences if way in d.ways}


def break_sentiment(way, monkeypatch):
    """Let one way leave entities and mark-up in its texts."""
    module = {Way.NIGHT: reviews, Way.SERVICE: request, Way.DEVICE: sentiment_text}[way]
    monkeypatch.setattr(module, "clean", str)


@pytest.mark.parametrize("way", list(Way))
def test_texts_prepared_otherwise_in_one_way_are_found(
    way, sentiment_scores, texts, tmp_path, monkeypatch
):
    break_sentiment(way, monkeypatch)
    broken = SENTIMENT[way](texts[:FEW], tmp_path)
    scores = {**{other: sentiment_scores[other][:FEW] for other in Way}, way: broken}
    parity = compare_scores(scores, sentiment.TOLERANCE, at_half)
    assert not parity.holds
    apart = {d.ways for d in parity.differences if d.largest > parity.tolerance}
    assert apart == {d.ways for d in parity.differences if way in d.ways}


def test_labels_that_differ_are_counted():
    scores = {Way.NIGHT: np.array([0.4, 0.6]), Way.SERVICE: np.array([0.6, 0.6])}
    [difference] = compare_scores(scores, 0.1, at_half).differences
    assert difference.same_label_share == 0.5
    assert difference.largest == pytest.approx(0.2)


@pytest.mark.parametrize("wrong", [np.array([0.4]), np.array([0.4, np.nan])])
def test_rows_that_are_missing_are_no_parity(wrong):
    """Neither fewer rows nor rows without an answer pass as alike."""
    with pytest.raises(ValueError, match="same rows"):
        compare_scores({Way.NIGHT: np.array([0.4, 0.6]), Way.DEVICE: wrong}, 1, at_half)
