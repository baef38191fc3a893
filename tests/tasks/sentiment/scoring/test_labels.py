"""What a model's classes mean: said by their names, asked for, or refused."""

import numpy as np
import pytest

from tasks.sentiment.errors import ModelError
from tasks.sentiment.scoring.labels import AskedLabels, class_labels, decide, split

NEGATIVE, NEUTRAL, POSITIVE = "NEGATIVE", "NEUTRAL", "POSITIVE"


def labels_of(*names, positive=(), neutral=(), classes=None, **config):
    named = {"id2label": {str(i): name for i, name in enumerate(names)}} if names else {}
    asked = AskedLabels(tuple(positive), tuple(neutral))
    return class_labels({**named, **config}, classes, asked, "m")


@pytest.mark.parametrize(
    "names",
    [
        ("NEGATIVE", "POSITIVE"),
        ("0", "1"),
        ("-1", "1"),
        ("LABEL_0", "LABEL_1"),
        ("bad", "Good"),
        ("Negative Sentiment", "Positive Sentiment"),
        ("Comentario_Negativo", "Comentario_Positivo"),
    ],
)
def test_common_pairs_are_understood(names):
    """In either order: the names decide, not the places."""
    assert labels_of(*names).labels == (NEGATIVE, POSITIVE)
    assert labels_of(*reversed(names)).labels == (POSITIVE, NEGATIVE)


@pytest.mark.parametrize(
    "names",
    [
        ("negative", "neutral", "positive"),
        ("NEG", "NEU", "POS"),
        ("N", "NEU", "P"),
        ("negativ", "neutral", "positiv"),
        ("Negative", "Notr", "Positive"),
        ("Negative-Sentiment", "Neutral-Sentiment", "Positive-Sentiment"),
        ("-1", "0", "1"),
    ],
)
def test_neutral_is_a_label_of_its_own(names):
    """Wherever the three stand."""
    assert labels_of(*names).labels == (NEGATIVE, NEUTRAL, POSITIVE)
    assert labels_of(*names[1:], names[0]).labels == (NEUTRAL, POSITIVE, NEGATIVE)
    assert labels_of(*names).has_neutral


@pytest.mark.parametrize(
    "names",
    [
        ("1 star", "2 stars", "3 stars", "4 stars", "5 stars"),
        ("1 star", "2 star", "3 star", "4 star", "5 star"),
        ("1", "2", "3", "4", "5"),
        ("Very Negative", "Negative", "Neutral", "Positive", "Very Positive"),
    ],
)
def test_five_stars_are_two_negative_one_neutral_and_two_positive(names):
    """And the rule is told."""
    labels = labels_of(*names)
    assert labels.labels == (NEGATIVE, NEGATIVE, NEUTRAL, POSITIVE, POSITIVE)
    assert labels.rule == (
        f"{names[0]}, {names[1]} = NEGATIVE; {names[2]} = NEUTRAL;"
        f" {names[3]}, {names[4]} = POSITIVE"
    )


@pytest.mark.parametrize(
    "names",
    [
        ("toxic", "fine"),
        ("LABEL_0", "LABEL_1", "LABEL_2"),
        ("0", "1", "2"),
        ("0", "1", "2", "3", "4"),
        ("positive", "neutral"),
        ("negative", "mixed", "positive"),
        ("anger", "fear", "joy", "neutral", "sadness"),
        ("LABEL_0",),
    ],
)
def test_names_that_leave_a_doubt_are_refused_with_the_option_to_give(names):
    """One line lists the names."""
    with pytest.raises(ModelError, match="--positive-label") as caught:
        labels_of(*names)
    assert ", ".join(names) in str(caught.value) and "\n" not in str(caught.value)


def test_asked_labels_are_taken_and_the_rest_is_negative():
    """Also against what the names say; what is told shows it."""
    assert labels_of("toxic", "fine", positive=["FINE"]).labels == (NEGATIVE, POSITIVE)
    assert labels_of("bad", "good", positive=["bad"]).labels == (POSITIVE, NEGATIVE)
    three = labels_of("LABEL_0", "LABEL_1", "LABEL_2", positive=["LABEL_2"], neutral=["LABEL_1"])
    assert three.rule == "LABEL_0 = NEGATIVE; LABEL_1 = NEUTRAL; LABEL_2 = POSITIVE"
    five = labels_of("0", "1", "2", "3", "4", positive=["3", "4"], neutral=["2"])
    assert five.labels == (NEGATIVE, NEGATIVE, NEUTRAL, POSITIVE, POSITIVE)
    mixed = labels_of("negative", "mixed", "positive", neutral=["mixed"])
    assert mixed.labels == (NEGATIVE, NEUTRAL, POSITIVE)


def test_asked_labels_that_leave_a_doubt_or_do_not_exist_are_refused():
    """Of three classes without meaning, one named leaves two."""
    with pytest.raises(ModelError, match="--neutral-label"):
        labels_of("LABEL_0", "LABEL_1", "LABEL_2", positive=["LABEL_2"])
    with pytest.raises(ModelError, match="has no label good, but bad, fine"):
        labels_of("bad", "fine", positive=["good"])


def test_number_of_classes_is_that_of_the_weights():
    """Names that are missing, or too few, do not hide a class."""
    with pytest.raises(ModelError, match="have 3 classes"):
        labels_of("NEGATIVE", "POSITIVE", classes=3)
    with pytest.raises(ModelError, match="LABEL_0, LABEL_1, LABEL_2"):
        labels_of(classes=3)
    with pytest.raises(ModelError, match="LABEL_0, LABEL_1, LABEL_2"):
        labels_of(num_labels=3)
    assert labels_of().labels == (NEGATIVE, POSITIVE)


def test_other_kinds_of_model_are_refused_by_name():
    """Sigmoids are not read as a softmax, nor numbers as probabilities."""
    multi = {"problem_type": "multi_label_classification"}
    with pytest.raises(ModelError, match=r"multi-label: .* negative, positive"):
        labels_of("negative", "positive", **multi)
    with pytest.raises(ModelError, match="a regression"):
        labels_of("LABEL_0", problem_type="regression", positive=["LABEL_0"])
    with pytest.raises(ModelError, match="id2label in"):
        class_labels({"id2label": {"negative": 0, "positive": 1}}, 2, AskedLabels(), "m")


def test_one_logit_is_a_sigmoid_of_the_class_that_is_positive():
    """By its name, or as asked for; the rule is told."""
    for labels in (labels_of("POSITIVE"), labels_of(classes=1, positive=["LABEL_0"])):
        assert "sigmoid" in labels.rule
        np.testing.assert_allclose(
            labels.probabilities(np.array([[0.0], [2.0], [-900.0]])), [0.5, 0.880797, 0], atol=1e-6
        )


def test_probabilities_of_several_classes_are_added_up():
    """Of the softmax over all classes: POSITIVE, and NEUTRAL beside it."""
    shares = np.array([[0.1, 0.2, 0.3, 0.25, 0.15], [0.4, 0.3, 0.1, 0.1, 0.1]])
    labels = labels_of("1", "2", "3", "4", "5")
    probability = labels.probabilities(np.log(shares) + 700)
    np.testing.assert_allclose(probability, [[0.4, 0.3], [0.2, 0.1]])
    assert decide(probability).tolist() == [POSITIVE, NEGATIVE]
    np.testing.assert_allclose(split(probability)[NEGATIVE], [0.3, 0.7])
    four = labels_of("very negative", "negative", "positive", "very positive")
    np.testing.assert_allclose(four.probabilities(np.zeros((1, 4))), [0.5])


def test_likeliest_label_is_decided_and_a_tie_is_the_more_positive_one():
    """Neutral may win with less than half."""
    assert decide(np.array([0.5, 0.499])).tolist() == [POSITIVE, NEGATIVE]
    three = np.array([[0.3, 0.4], [0.4, 0.4], [0.2, 0.4], [0.1, 0.2]])
    assert decide(three).tolist() == [NEUTRAL, POSITIVE, NEUTRAL, NEGATIVE]


def test_class_cannot_be_both_positive_and_neutral():
    """However it is spelled: one of the two is a slip."""
    names = ("LABEL_0", "LABEL_1", "LABEL_2")
    with pytest.raises(ModelError, match="label_1 cannot be both POSITIVE and NEUTRAL"):
        labels_of(*names, positive=["label_1", "LABEL_2"], neutral=["LABEL_1"])
