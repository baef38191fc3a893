"""The linear teacher: what it says of a text it has not seen, and of each token."""

import numpy as np
import pytest

from tasks.sentiment.training import teacher
from tasks.sentiment.training.corpus import TokenTable
from tasks.sentiment.training.teacher import TeacherTargets, fit_teacher

GOOD, BAD, NOT, FILLER = 10, 11, 12, range(20, 40)
VOCABULARY = 50


@pytest.fixture(scope="module")
def table() -> TokenTable:
    """Texts of fillers with a good or a bad word, the other way round after a "not"."""
    rng = np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(600):
        label, negated = rng.integers(0, 2, 2)
        word = GOOD if label != negated else BAD
        opinion = [NOT, word] if negated else [word]
        texts.append([*rng.choice(FILLER, 4), *opinion, *rng.choice(FILLER, 4)])
        labels.append(label)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    return TokenTable(np.concatenate(texts).astype(np.int32), offsets, np.array(labels))


@pytest.fixture(scope="module")
def targets(table: TokenTable) -> TeacherTargets:
    return fit_teacher(table, np.ones(len(table)), VOCABULARY, seed=1)


def test_teacher_reads_sequences_and_not_words_alone(table, targets):
    """A negated word is understood, in texts that the fit has not seen."""
    right = (targets.probability >= 0.5) == (table.labels == 1)

    assert right.mean() > 0.95


def test_each_token_gets_its_own_share(table, targets):
    """Plain good words speak for a text, negated ones against it, fillers hardly at all."""
    after_not = np.concatenate([[False], table.flat[:-1] == NOT])
    good = table.flat == GOOD

    assert targets.shares.shape == table.flat.shape
    assert targets.shares[good & ~after_not].mean() > 1
    assert targets.shares[good & after_not].mean() < -0.5
    assert np.abs(targets.shares[table.flat >= min(FILLER)]).mean() < 0.3
    assert targets.shares.std() == pytest.approx(1, rel=1e-3)


def test_probabilities_come_from_fits_without_the_text(table):
    """Labels that follow from nothing are not predicted better than by chance."""
    rng = np.random.default_rng(2)
    noise = TokenTable(
        rng.choice(FILLER, len(table) * 10).astype(np.int32),
        np.arange(len(table) + 1) * 10,
        rng.integers(0, 2, len(table)),
    )

    targets = fit_teacher(noise, np.ones(len(noise)), VOCABULARY, seed=1)

    right = ((targets.probability >= 0.5) == (noise.labels == 1)).mean()
    assert right == pytest.approx(0.5, abs=0.08)


def test_sequences_end_with_their_text():
    """No sequence runs from one text into the next."""
    table = TokenTable(
        np.array([1, 2] * 4, dtype=np.int32), np.array([0, 2, 4, 6, 8]), np.array([0, 1, 1, 0])
    )

    words, pairs, triples = teacher._sequences(table, 3)

    assert words[0].tolist() == list(range(8))
    assert pairs[0].tolist() == [1, 3, 5, 7]  # "2 1" is there three times, across texts
    assert triples[0].tolist() == []  # and so are "1 2 1" and "2 1 2", twice or more
    assert words[1].max() < pairs[1].min()  # each has a column of its own


def test_targets_are_kept_for_the_next_start(table, targets, tmp_path, monkeypatch):
    """A resumed training reads what the first one wrote."""
    given = (tmp_path / "lesson.npz", table, np.ones(len(table)), VOCABULARY, 1)
    TeacherTargets.read_or_fit(*given)
    monkeypatch.setattr(teacher, "fit_teacher", None)

    again = TeacherTargets.read_or_fit(*given)

    assert np.array_equal(again.probability, targets.probability)
    assert np.array_equal(again.shares, targets.shares)
